// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// envPanic makes the test binary be a server of which a handler panics in the
// drain.
const envPanic = "GRACETRACE_TEST_PANIC"

// fragile panics when the server drains: it uses what has been closed.
type fragile struct {
	greeterv1.UnimplementedGreeterServer
	srv   *server.Server
	begun chan struct{}
}

func (f *fragile) Watch(*greeterv1.WatchRequest, greeterv1.Greeter_WatchServer) error {
	close(f.begun)
	<-f.srv.Draining()
	panic("the pool is closed")
}

// watched is its client.
func watched(lis *servertest.Listener, f *fragile) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	_, err = greeterv1.NewGreeterClient(conn).Watch(context.Background(), &greeterv1.WatchRequest{})
	<-f.begun
	return conn, err
}

// panicInDrain is the process that a handler ends.
func panicInDrain() {
	t, err := tracer.New(context.Background(), tracer.WithExporter(
		func(context.Context) (sdktrace.SpanExporter, error) { return printed{}, nil }))
	if err != nil {
		fatal(err)
	}
	f := &fragile{srv: server.New(t), begun: make(chan struct{})}
	greeterv1.RegisterGreeterServer(f.srv, f)
	lis := servertest.Listen()
	go func() { _ = f.srv.Serve(lis) }()
	if _, err := watched(lis, f); err != nil {
		fatal(err)
	}
	fatal(f.srv.Shutdown(context.Background()))
}

// TestPanicInDrain: a handler panics while the server stops. The process ends as
// it would without us, with the same panic, and the trace has been sent and names
// it.
func TestPanicInDrain(t *testing.T) {
	cmd, _ := rerun(t, envPanic)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		t.Fatalf("exit code %d (%v), want a panic's 2:\n%s", code, err, out)
	}
	for _, want := range []string{
		"panic: the pool is closed\n", "(*fragile).Watch(", // where it was
		"handler panicked", "rpc.method=greeter.v1.Greeter/Watch", "source=panic_test.go:",
		"sent: grpc.server.shutdown started\n", "sent: checkpoint ",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("there is no %q:\n%s", want, out)
		}
	}
	if strings.Contains(string(out), "recovered") {
		t.Errorf("the panic was recovered:\n%s", out)
	}
}

// TestPanicRecovered: an interceptor of the application's recovers the panic. The
// stop goes on, and its report names the handler.
func TestPanicRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var report *tracer.Report
		tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r }))
		f := &fragile{begun: make(chan struct{})}
		f.srv = server.New(tr, grpc.StreamInterceptor(
			func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) (err error) {
				defer func() {
					if v := recover(); v != nil {
						err = errors.New(v.(string))
					}
				}()
				return h(srv, ss)
			}))
		greeterv1.RegisterGreeterServer(f.srv, f)
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- f.srv.Serve(lis) }()
		conn, err := watched(lis, f)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := f.srv.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-served
		named := false
		for _, n := range report.Notes {
			named = named || n.Kind == "panic" && strings.HasPrefix(n.Text,
				"a handler of greeter.v1.Greeter/Watch panicked at panic_test.go:")
		}
		if !named {
			t.Errorf("no note names the handler: %+v", report.Notes)
		}
	})
}
