// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// kept is an exporter that keeps what it gets.
type kept struct {
	mu    sync.Mutex // guards following
	spans []sdktrace.ReadOnlySpan
}

func (k *kept) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, spans...)
	return nil
}

func (*kept) Shutdown(context.Context) error { return nil }

// named returns the spans of a name that have come so far.
func (k *kept) named(name string) []sdktrace.ReadOnlySpan {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(k.spans), func(s sdktrace.ReadOnlySpan) bool {
		return s.Name() != name
	})
}

func (k *kept) option() tracer.Option {
	return tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return k, nil })
}

// instrumented gives each RPC a span, as otelgrpc's stats.Handler does: the
// first one's is sampled, the others' are not.
type instrumented struct {
	stats.Handler
	next byte
}

func (i *instrumented) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	i.next++
	config := trace.SpanContextConfig{TraceID: trace.TraceID{i.next}, SpanID: trace.SpanID{i.next}}
	if i.next == 1 {
		config.TraceFlags = trace.FlagsSampled
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(config))
}

func (*instrumented) HandleRPC(context.Context, stats.RPCStats) {}

func (*instrumented) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (*instrumented) HandleConn(context.Context, stats.ConnStats) {}

// TestU47LinkedSpan: the span of an RPC that is stuck has not ended, so that it is
// not in Jaeger (opentelemetry-specification #373). Ours have ended, those of
// checkpoints too, and are linked to the RPC's own trace if that is sampled.
func TestU47LinkedSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spans, lis := &kept{}, servertest.Listen()
		s := server.New(newTracer(t, spans.option()), grpc.StatsHandler(&instrumented{}))
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		sampled := hello(t, lis, 4500*time.Millisecond)
		synctest.Wait()
		other := hello(t, lis, 4*time.Second)
		synctest.Wait()
		stopped := make(chan struct{})
		go func() { defer close(stopped); s.GracefulStop() }()
		<-time.After(2 * time.Second)
		linked := 0
		for _, sp := range spans.named("rpc Greeter/SayHello") {
			linked += wantLink(t, sp)
		}
		if linked != 1 {
			t.Errorf("while the RPC is stuck, %d spans are linked to it, want that of the checkpoint at 1 s", linked)
		}
		for _, ended := range []<-chan error{sampled, other, served} {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		<-stopped
		all := spans.named("rpc Greeter/SayHello")
		linked = 0
		for _, sp := range all {
			linked += wantLink(t, sp)
		}
		if linked != 3 || len(all) != 6 {
			t.Errorf("%d of %d spans are linked, want 3 of 6: those of the sampled RPC", linked, len(all))
		}
	})
}

// wantLink expects a span to have ended and, if it is linked, to be so to the
// sampled RPC's span.
func wantLink(t *testing.T, sp sdktrace.ReadOnlySpan) int {
	t.Helper()
	if sp.EndTime().IsZero() {
		t.Errorf("%s has not ended", sp.Name())
	}
	for _, link := range sp.Links() {
		trc, id := link.SpanContext.TraceID(), link.SpanContext.SpanID()
		if trc != (trace.TraceID{1}) || id != (trace.SpanID{1}) {
			t.Errorf("%s is linked to %s of %s, want the sampled span of the RPC", sp.Name(), id, trc)
		}
	}
	return len(sp.Links())
}
