// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// Programs that the command does not stand for. The test binary is one of them if
// envApp says so: they get real signals and have an exit of their own.
const (
	envApp  = "GRACETRACE_E2E_APP"
	envAddr = "GRACETRACE_E2E_ADDR" // where it listens
)

var apps = map[string]func(context.Context, *tracer.Tracer) error{
	"instrumented": runInstrumented,
	"group":        runGroup,
}

// runApp runs the program that the test binary is to be, and reports whether it is
// one.
func runApp() bool {
	run, ok := apps[os.Getenv(envApp)]
	if !ok {
		return false
	}
	ctx := context.Background()
	t, err := tracer.New(ctx)
	if err == nil {
		err = run(ctx, t)
		t.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return true
}

// An app is a running program that the test binary is.
type app struct {
	*program.Process

	addr string
}

// startApp returns when the program listens. It sends to j, as a service of its
// own name unless env has another.
func startApp(t *testing.T, j *jaegerd.Server, name string, env ...string) app {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr := address.TCP(t)
	p := program.New(t, self).To("http://" + j.OTLP).As(name).With(env...)
	a := app{p.With(envApp+"="+name, envAddr+"="+addr).Start(t), addr}
	_ = a.Dial(t, addr).Close()
	return a
}

// runInstrumented is a server whose RPCs have spans of their own, as most have. It
// takes calls that nobody has registered, too.
func runInstrumented(ctx context.Context, t *tracer.Tracer) error {
	spans, err := otlptracegrpc.New(ctx)
	if err != nil {
		return err
	}
	own := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	lis, err := (&net.ListenConfig{}).Listen(ctx, "tcp", os.Getenv(envAddr))
	if err != nil {
		return err
	}
	s := server.New(t, grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(own))),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			<-stream.Context().Done()
			return stream.Context().Err()
		}))
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	return errors.Join(s.Run(ctx, lis), own.Shutdown(ctx))
}

// runGroup is two servers, and what is to be closed after them.
func runGroup(ctx context.Context, t *tracer.Tracer) error {
	g := server.NewGroup(t)
	for _, m := range []server.Member{{Name: "api", Addr: os.Getenv(envAddr)}, {Name: "admin", Addr: "127.0.0.1:0"}} {
		m.Server = server.New(t)
		greeterv1.RegisterGreeterServer(m.Server, &greeter.Server{})
		g.Add(m)
	}
	g.Add(server.Member{Name: "store", After: []string{"api", "admin"}, Close: closeStore})
	return g.Run(ctx)
}

func closeStore(ctx context.Context) error {
	select {
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
	}
	return nil
}
