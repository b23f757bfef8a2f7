// SPDX-License-Identifier: Apache-2.0

// Kubernetes is the server of docs/kubernetes.md: it leaves before it stops, and
// tells what holds it.
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

type greeter struct{ pb.UnimplementedGreeterServer }

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	t, err := tracer.New(ctx)
	if err != nil {
		return err
	}
	tp := sdktrace.NewTracerProvider() // the application's own, as it is
	checks := health.NewServer()
	srv := server.New(t,
		server.Health(checks),                   // NOT_SERVING, first of all
		server.LameDuck(5*time.Second),          // serve on until the others have heard
		server.WithFlush("traces", tp.Shutdown), // last of all, in time that is kept for it
		grpc.ConnectionTimeout(5*time.Second),   // for clients that say nothing; 120 s by default
	)
	healthv1.RegisterHealthServer(srv, checks)
	pb.RegisterGreeterServer(srv, &greeter{})

	mux := http.NewServeMux() // stays up while the server stops
	mux.Handle("/debug/shutdown", t.Handler())
	debug := &http.Server{Addr: "localhost:6060", Handler: mux, ReadHeaderTimeout: time.Second}
	go func() { log.Print(debug.ListenAndServe()) }()

	lis, err := net.Listen("tcp", ":8080")
	if err != nil {
		return err
	}
	return srv.Run(ctx, lis) // until SIGTERM; an error if it had to be forced
}
