// SPDX-License-Identifier: Apache-2.0

// Twoservers is a process of several parts: a gRPC server with health checks, an
// HTTP server for metrics that answers until the other has stopped, and a database
// that both may use until then. On SIGTERM all of it stops in order, within one
// grace period and one trace.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

func main() {
	api := flag.String("api", ":50051", "where the gRPC server listens")
	metrics := flag.String("metrics", ":9090", "where the metrics are served")
	flag.Parse()
	if err := run(context.Background(), *api, *metrics); err != nil {
		log.Fatal(err) // "member api: …", and exit code 1
	}
}

func run(ctx context.Context, api, metrics string) error {
	t, err := tracer.New(ctx)
	if err != nil {
		return err
	}
	db := &database{}
	greeter := &greeter{db: db}
	checks := health.NewServer()
	srv := server.New(t, server.Health(checks)) // NOT_SERVING, first of all
	healthv1.RegisterHealthServer(srv, checks)
	pb.RegisterGreeterServer(srv, greeter)

	g := server.NewGroup(t, server.GracePeriod(25*time.Second),
		server.BindRetry(5*time.Second)) // the predecessor may not have ended yet
	g.Add(server.Member{Name: "api", Server: srv, Addr: api})
	g.Add(server.Member{
		Name: "metrics", HTTP: &http.Server{Handler: greeter.metrics(), ReadHeaderTimeout: time.Second},
		Addr: metrics, After: []string{"api"}, // so that the drain can be watched
	})
	g.Add(server.Member{Name: "database", Close: db.Close, After: []string{"api", "metrics"}})
	return g.Run(ctx) // until SIGTERM, or until one of them fails
}

// greeter asks the database.
type greeter struct {
	pb.UnimplementedGreeterServer
	db       *database
	inFlight atomic.Int64
	served   atomic.Int64
}

// SayHello implements pb.GreeterServer.
func (s *greeter) SayHello(ctx context.Context, req *pb.SayHelloRequest) (*pb.SayHelloResponse, error) {
	s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	select {
	case <-time.After(req.GetDuration().AsDuration()):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.served.Add(1)
	return &pb.SayHelloResponse{Message: s.db.greeting() + ", " + req.GetName()}, nil
}

// metrics has them in Prometheus' text format.
func (s *greeter) metrics() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = fmt.Fprintf(w, "greeter_in_flight %d\ngreeter_served_total %d\n",
			s.inFlight.Load(), s.served.Load())
	})
}

// database stands for what is used until the servers have stopped.
type database struct{ closed atomic.Bool }

func (d *database) greeting() string {
	if d.closed.Load() {
		return "used after Close"
	}
	return "hello"
}

// Close takes its time, but no more than ctx.
func (d *database) Close(ctx context.Context) error {
	d.closed.Store(true)
	select {
	case <-time.After(100 * time.Millisecond): // the last writes
	case <-ctx.Done():
		return ctx.Err()
	}
	log.Print("database closed")
	return nil
}
