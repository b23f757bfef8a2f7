// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// dropped is an exporter that takes every span and keeps none.
type dropped struct{}

func (dropped) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (dropped) Shutdown(context.Context) error                             { return nil }

func newTracer(t *testing.T, opts ...tracer.Option) *tracer.Tracer {
	t.Helper()
	tr, err := tracer.New(context.Background(), append([]tracer.Option{
		tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return dropped{}, nil
		}),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// wantError expects an error that names what was wrong and with which value.
func wantError(t *testing.T, what string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: the error does not say %q: %v", what, w, err)
		}
	}
}

func TestNilTracer(t *testing.T) {
	s := server.New(nil)
	wantError(t, "Serve", s.Serve(servertest.Listen()), "tracer", "nil")
	wantError(t, "Run", s.Run(t.Context(), servertest.Listen()), "tracer", "nil")
	wantError(t, "Shutdown", s.Shutdown(t.Context()), "tracer", "nil")
	s.GracefulStop()
	s.Stop()
	wrapped := server.Wrap(grpc.NewServer(), nil)
	wantError(t, "Serve of a wrapped server", wrapped.Serve(servertest.Listen()), "tracer", "nil")
}

func TestBadInput(t *testing.T) {
	wantError(t, "negative grace period",
		server.New(newTracer(t), server.GracePeriod(-time.Second)).Serve(servertest.Listen()),
		"GracePeriod", "-1s", "positive")
	wantError(t, "nil listener", server.New(newTracer(t)).Serve(nil), "listener", "nil")
	wantError(t, "Run without listeners", server.New(newTracer(t)).Run(t.Context()), "listener")
	wantError(t, "Run with a nil listener",
		server.New(newTracer(t)).Run(t.Context(), nil), "listener", "nil")
	wantError(t, "Wrap with an option of grpc's", server.Wrap(grpc.NewServer(), newTracer(t),
		grpc.MaxRecvMsgSize(1)).Serve(servertest.Listen()), "server.Wrap", "grpc.NewServer")
	wantError(t, "Wrap with a negative grace period", server.Wrap(grpc.NewServer(), newTracer(t),
		server.GracePeriod(-time.Second)).Serve(servertest.Listen()), "GracePeriod", "-1s")
	none := server.Wrap(nil, newTracer(t))
	greeterv1.RegisterGreeterServer(none, &greeter.Server{})
	wantError(t, "Wrap of nil", none.Serve(servertest.Listen()), "server", "nil")
	none.Stop()
	for _, v := range []string{"ten seconds", "-3s", "0"} {
		t.Setenv("GRACETRACE_GRACE_PERIOD", v)
		wantError(t, "bad grace period in the environment",
			server.New(newTracer(t)).Serve(servertest.Listen()), "GRACETRACE_GRACE_PERIOD", v)
	}
	t.Setenv("GRACETRACE_GRACE_PERIOD", "10s")
	wantError(t, "negative grace period beside a good one in the environment",
		server.New(newTracer(t), server.GracePeriod(-1)).Run(t.Context(), servertest.Listen()), "-1ns")
}

// brokenListener fails at its first Accept.
type brokenListener struct{ net.Listener }

var errBroken = errors.New("the cable is cut")

func (brokenListener) Accept() (net.Conn, error) { return nil, errBroken }
