// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// kinds are the servers that are compared. otelgrpc's spans are sampled and
// dropped at the exporter's door, its metrics are off.
var kinds = []string{"bare", "empty", "traced", "otelgrpc"}

func newServer(b *testing.B, kind string) server.GRPC {
	b.Helper()
	var opts []grpc.ServerOption
	switch kind {
	case "traced":
		return server.New(newTracer(b))
	case "empty":
		opts = append(opts, grpc.UnaryInterceptor(func(ctx context.Context, req any,
			_ *grpc.UnaryServerInfo, h grpc.UnaryHandler,
		) (any, error) {
			return h(ctx, req)
		}))
	case "otelgrpc":
		tp := sdktrace.NewTracerProvider(sdktrace.WithBatcher(nowhere{}))
		b.Cleanup(func() { _ = tp.Shutdown(context.Background()) })
		opts = append(opts, grpc.StatsHandler(otelgrpc.NewServerHandler(otelgrpc.WithTracerProvider(tp))))
	}
	return grpc.NewServer(opts...)
}

// newTracer returns a Tracer whose spans go nowhere.
func newTracer(b *testing.B, opts ...tracer.Option) *tracer.Tracer {
	b.Helper()
	t, err := tracer.New(b.Context(), append([]tracer.Option{
		tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return nowhere{}, nil
		}),
	}, opts...)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(t.Close)
	return t
}

type nowhere struct{}

func (nowhere) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (nowhere) Shutdown(context.Context) error                             { return nil }

// serve serves the Greeter on a loopback port.
func serve(b *testing.B, kind string) (address string) {
	b.Helper()
	srv := newServer(b, kind)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	return serveOn(b, srv)
}

func serveOn(b *testing.B, srv server.GRPC) string {
	b.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	b.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return lis.Addr().String()
}

func dial(b *testing.B, address string) greeterv1.GreeterClient {
	b.Helper()
	cc, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cc.Close() })
	return greeterv1.NewGreeterClient(cc)
}

// rounds is how often the contestants of a pair take turns.
const rounds = 10

// takeTurns measures each of fs in turn, rounds times after one that warms up,
// and returns the median of each. A machine that is busy with something else is
// so for both.
func takeTurns(fs ...func() time.Duration) []time.Duration {
	took := make([][]time.Duration, len(fs))
	for round := range rounds + 1 {
		for i, f := range fs {
			if d := f(); round > 0 {
				took[i] = append(took[i], d)
			}
		}
	}
	medians := make([]time.Duration, len(fs))
	for i := range took {
		medians[i] = median(took[i])
	}
	return medians
}

// timed is how long f takes.
func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// spent returns f with the processor time that the process spent in it.
func spent(f func() time.Duration) func() time.Duration {
	return func() time.Duration {
		before := processorTime()
		f()
		return processorTime() - before
	}
}

// report reports a pair and its ratio.
func report(b *testing.B, what string, bare, traced time.Duration) {
	b.Helper()
	b.ReportMetric(float64(bare), what+"bare-ns")
	b.ReportMetric(float64(traced), what+"traced-ns")
	b.ReportMetric(float64(traced)/float64(bare), what+"ratio")
	b.ReportMetric(0, "ns/op") // of the whole benchmark: means nothing
}
