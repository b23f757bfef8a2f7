// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// streaming is a service of streams alone.
var streaming = &grpc.ServiceDesc{
	ServiceName: "streaming.Only", HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true}},
}

// TestUnseenServices: a service that was registered past package server is named
// when it is served, unless an interceptor sees all of its RPCs.
func TestUnseenServices(t *testing.T) {
	wraps := func(tr *tracer.Tracer) *server.Server { return server.Wrap(grpc.NewServer(), tr) }
	makes := func(tr *tracer.Tracer) *server.Server { return server.New(tr) }
	past := func(s *server.Server) { s.Unwrap().RegisterService(streaming, nil) }
	greets := func(s *server.Server) {
		greeterv1.RegisterGreeterServer(s.Unwrap(), &greeter.Server{})
	}
	for name, tt := range map[string]struct {
		make     func(*tracer.Tracer) *server.Server
		register func(*server.Server)
		want     string // in the warning; empty: there is none
	}{
		"server.New":             {makes, greets, "greeter.v1.Greeter: registered"},
		"server.Wrap":            {wraps, greets, "greeter.v1.Greeter: registered"},
		"server.New, streaming":  {makes, past, ""},
		"server.Wrap, streaming": {wraps, past, "streaming.Only: registered"},
		"server.Wrap with ServerOptions": {func(tr *tracer.Tracer) *server.Server {
			return server.Wrap(grpc.NewServer(interceptors.ServerOptions(tr)...), tr)
		}, greets, ""},
		"server.New with ServerOptions": {func(tr *tracer.Tracer) *server.Server {
			return server.New(tr, interceptors.ServerOptions(tr)...)
		}, greets, "greeter.v1.Greeter: registered"},
		"through it": {makes, func(s *server.Server) {
			greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				s := tt.make(newTracer(t, tracer.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))))
				tt.register(s)
				for range 2 { // it is said once
					lis, served := servertest.Listen(), make(chan error, 1)
					go func() { served <- s.Serve(lis) }()
					defer func() { <-served }()
					synctest.Wait()
				}
				n, want := strings.Count(log.String(), "shutdown will suffer"), 0
				if tt.want != "" {
					want = 1
				}
				if n != want || !strings.Contains(log.String(), tt.want) {
					t.Errorf("%d warnings, want %d that says %q:\n%s", n, want, tt.want, &log)
				}
				s.Stop()
			})
		})
	}
}
