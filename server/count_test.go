// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// spy is a service whose handlers look at a Tracer's table.
type spy struct {
	greeterv1.UnimplementedGreeterServer
	look func()
}

func (s *spy) SayHello(context.Context, *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	s.look()
	return &greeterv1.SayHelloResponse{}, nil
}

func (s *spy) Chat(grpc.BidiStreamingServer[greeterv1.ChatRequest, greeterv1.ChatResponse]) error {
	s.look()
	return nil
}

// inFlight returns what tr has in flight while a unary RPC and then a stream are
// handled by srv.
func inFlight(t *testing.T, tr *tracer.Tracer, srv server.GRPC, reg grpc.ServiceRegistrar) []string {
	t.Helper()
	var seen []string
	greeterv1.RegisterGreeterServer(reg, &spy{look: func() {
		for _, r := range tr.Table().Snapshot().RPCs {
			seen = append(seen, r.Method.Name)
		}
	}})
	lis := servertest.Listen()
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	cc, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	c := greeterv1.NewGreeterClient(cc)
	if _, err := c.SayHello(t.Context(), &greeterv1.SayHelloRequest{}); err != nil {
		t.Error(err)
	}
	s, err := c.Chat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = s.Recv()
	_ = cc.Close()
	srv.Stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	return seen
}

// TestCountedOnce: however the sensors are put together, an RPC counts once.
func TestCountedOnce(t *testing.T) {
	want := []string{"greeter.v1.Greeter/SayHello", "greeter.v1.Greeter/Chat"}
	for name, mk := range map[string]func(*tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar){
		"New": func(tr *tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar) {
			s := server.New(tr)
			return s, s
		},
		"New drops ServerOptions": func(tr *tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar) {
			s := server.New(tr, slices.Repeat(interceptors.ServerOptions(tr), 2)...)
			return s, s
		},
		"Wrap": func(tr *tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar) {
			s := server.Wrap(grpc.NewServer(), tr)
			return s, s
		},
		"Wrap with ServerOptions": func(tr *tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar) {
			s := server.Wrap(grpc.NewServer(interceptors.ServerOptions(tr)...), tr)
			return s, s
		},
		"Wrap with ServerOptions, registered with the inner server": func(tr *tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar) {
			inner := grpc.NewServer(interceptors.ServerOptions(tr)...)
			return server.Wrap(inner, tr), inner
		},
		"ServerOptions alone": func(tr *tracer.Tracer) (server.GRPC, grpc.ServiceRegistrar) {
			s := grpc.NewServer(interceptors.ServerOptions(tr)...)
			return s, s
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTracer(t)
			srv, reg := mk(tr)
			if diff := cmp.Diff(want, inFlight(t, tr, srv, reg)); diff != "" {
				t.Errorf("in flight (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTwoServers: two servers with one Tracer do not mix.
func TestTwoServers(t *testing.T) {
	var reports []*tracer.Report
	tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { reports = append(reports, r) }))
	first := server.New(tr)
	second := server.New(tr, interceptors.ServerOptions(tr)...)
	if seen := inFlight(t, tr, second, second); len(seen) != 0 {
		t.Errorf("the first server's table has the second's RPCs: %q", seen)
	}
	if seen := inFlight(t, tr, first, first); len(seen) != 2 {
		t.Errorf("the first server's table has %q, want its own two", seen)
	}
	if len(reports) != 2 || reports[0].TraceID == reports[1].TraceID {
		t.Errorf("%d reports, want one for each server, each with its own trace", len(reports))
	}
}
