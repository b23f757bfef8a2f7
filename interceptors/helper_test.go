// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"context"
	"log/slog"
	"net"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// newTracer returns a Tracer that tells nobody.
func newTracer(t *testing.T) *tracer.Tracer {
	t.Helper()
	tr, err := tracer.New(t.Context(), tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return nowhere{}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

// bothWays runs test with a nil Tracer, with which nothing is wrapped, and with
// one.
func bothWays(t *testing.T, test func(t *testing.T, tr *tracer.Tracer)) {
	t.Helper()
	t.Run("bare", func(t *testing.T) { test(t, nil) })
	t.Run("wrapped", func(t *testing.T) { test(t, newTracer(t)) })
}

// listen listens on a real socket and remembers what it accepts.
func listen(t *testing.T, network string) *recorder {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		at = address.Unix(t, "s")
	}
	lis, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	return &recorder{lis, make(chan net.Conn, 16)}
}

type recorder struct {
	net.Listener
	accepted chan net.Conn
}

func (r *recorder) Accept() (net.Conn, error) {
	c, err := r.Listener.Accept()
	if err == nil {
		r.accepted <- c
	}
	return c, err
}

func (r *recorder) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial(r.Addr().Network(), r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// serve serves the Greeter on lis, with every sensor if tr is not nil.
func serve(t *testing.T, tr *tracer.Tracer, lis net.Listener, opts ...grpc.ServerOption,
) *grpc.Server {
	t.Helper()
	var srv *grpc.Server
	if tr == nil {
		srv = grpc.NewServer(opts...)
		greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	} else {
		srv = grpc.NewServer(interceptors.Install(tr, opts)...)
		srv.RegisterService(
			interceptors.Describe(tr, &greeterv1.Greeter_ServiceDesc, false), &greeter.Server{})
		lis = interceptors.Listener(tr, lis)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return srv
}

// client connects to lis by creds, or in plain text.
func client(t *testing.T, lis net.Listener, creds credentials.TransportCredentials,
) greeterv1.GreeterClient {
	t.Helper()
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	target := lis.Addr().String()
	if lis.Addr().Network() == "unix" {
		target = "unix:" + target
	}
	cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return greeterv1.NewGreeterClient(cc)
}

// hello makes one RPC: after it the server's handshake is over.
func hello(t *testing.T, c greeterv1.GreeterClient) {
	t.Helper()
	if _, err := c.SayHello(t.Context(), &greeterv1.SayHelloRequest{Name: "x"}); err != nil {
		t.Fatal(err)
	}
}
