// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/stack"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// A bench is a grpc server with every sensor, in memory.
type bench struct {
	t   *testing.T
	tr  *tracer.Tracer
	srv *server.Server
	lis *servertest.Listener
}

type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

func serve(t *testing.T, impl greeterv1.GreeterServer, opts ...grpc.ServerOption) *bench {
	t.Helper()
	return serveAs(t, impl, false, opts...)
}

// serveAs registers the service with the server, or directly with grpc's: then
// only the interceptors watch it.
func serveAs(t *testing.T, impl greeterv1.GreeterServer, direct bool, opts ...grpc.ServerOption) *bench {
	t.Helper()
	tr, err := tracer.New(t.Context(), tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return nowhere{}, nil
		}))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, tr: tr, srv: server.New(tr, opts...), lis: servertest.Listen()}
	if direct {
		greeterv1.RegisterGreeterServer(b.srv.Unwrap(), impl)
	} else {
		greeterv1.RegisterGreeterServer(b.srv, impl)
	}
	healthpb.RegisterHealthServer(b.srv, health.NewServer())
	served := make(chan error, 1)
	go func() { served <- b.srv.Serve(b.lis) }()
	t.Cleanup(func() {
		b.srv.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		tr.Close()
	})
	return b
}

func (b *bench) client(creds credentials.TransportCredentials) greeterv1.GreeterClient {
	b.t.Helper()
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	cc, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(b.lis.DialTarget),
		grpc.WithTransportCredentials(creds))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = cc.Close() })
	return greeterv1.NewGreeterClient(cc)
}

// call makes a unary call, of which nobody waits for the answer.
func (b *bench) call(c greeterv1.GreeterClient) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = c.SayHello(context.Background(), &greeterv1.SayHelloRequest{Name: "x"})
	}()
	b.t.Cleanup(func() { <-done })
}

// read dumps the goroutines when all of the bubble's wait.
func (b *bench) read() stack.Reading {
	b.t.Helper()
	synctest.Wait()
	return b.readNow()
}

func (b *bench) readNow() stack.Reading {
	b.t.Helper()
	return b.readOf(b.address())
}

// readOf reads of a server; of any if its address is empty.
func (b *bench) readOf(address string) stack.Reading {
	b.t.Helper()
	d := stack.Capture(stack.MaxGoroutines)
	if d.Text == "" || d.Cut {
		b.t.Fatalf("no whole dump of %d goroutines", d.Goroutines)
	}
	return stack.Read(d.Text, address)
}

func (b *bench) address() string { return fmt.Sprintf("%p", b.srv.Unwrap()) }

// seesBeforeDecoding reports whether grpc calls a method's descriptor before it
// decodes the message (fact 50).
func seesBeforeDecoding() bool {
	var major, minor int
	_, err := fmt.Sscanf(grpc.Version, "%d.%d.", &major, &minor)
	return err == nil && (major > 1 || minor >= 84)
}
