// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest" //nolint:depguard // for the SDK, not to compare
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// BenchmarkEvidence stops a server with 10,000 connections of ten streams each, of
// which none ends before the deadline, and sends the spans over TCP to a collector
// that takes 2 ms a batch. The SDK's batch processor then gets the same spans, and
// one span for each connection and stream, as soon as they have ended: in a burst,
// at the end. Its own settings are the defaults.
//
// It fails if a span is in nobody's account.
func BenchmarkEvidence(b *testing.B) {
	const conns, streams = 10_000, 10
	for b.Loop() {
		c := startCollector(b, 2*time.Millisecond)
		after, r := stopCrowd(b, c, conns, streams)
		ours := c.take()
		wantAccounted(b, r, ours)
		b.ReportMetric(float64(len(ours)), "spans")
		b.ReportMetric(float64(lostOf(r)), "lost")
		b.ReportMetric(float64(r.Spans.Summarised), "summarised")
		b.ReportMetric(float64(after.Milliseconds()), "after-ms")

		took := c.burst(b, stubs(ours))
		b.ReportMetric(float64(len(ours)-len(c.take())), "sdk-lost")
		b.ReportMetric(float64(took.Milliseconds()), "sdk-ms")

		each := slices.Repeat(stubs(ours[:1]), conns+conns*streams)
		took = c.burst(b, each)
		b.ReportMetric(float64(len(each)-len(c.take())), "sdk-each-lost")
		b.ReportMetric(float64(took.Milliseconds()), "sdk-each-ms")
		b.ReportMetric(0, "ns/op") // of the whole benchmark: means nothing
	}
}

// stopCrowd returns how long the stop took longer than grpc's own, and its report.
func stopCrowd(b *testing.B, c *collector, conns, streams int) (time.Duration, *tracer.Report) {
	b.Helper()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr)
	b.Setenv("OTEL_SERVICE_NAME", "crowd")
	t, err := tracer.New(b.Context(), tracer.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	h := &held{begun: make(chan struct{}), release: make(chan struct{})}
	defer close(h.release)
	srv := server.New(t) // with 25 s
	greeterv1.RegisterGreeterServer(srv, h)
	leave := startCrowd(b, serveOn(b, srv), conns, streams)
	defer leave()
	for range conns * streams {
		<-h.begun
	}
	var forced *server.DeadlineError
	if err := srv.Shutdown(b.Context()); !errors.As(err, &forced) {
		b.Fatalf("Shutdown: %v, want a *DeadlineError", err)
	}
	r := forced.Report
	return time.Since(r.Start.Add(time.Duration(r.Duration))), r
}

func lostOf(r *tracer.Report) (n int) {
	for _, lost := range r.Spans.Lost {
		n += lost
	}
	return n
}

func wantAccounted(b *testing.B, r *tracer.Report, got []*tracepb.Span) {
	b.Helper()
	ids := make(map[string]bool)
	for _, s := range got {
		ids[string(s.GetSpanId())] = true
	}
	// Handlers that have outlived the stop are sent after it.
	if len(ids) < r.Spans.Sent {
		b.Errorf("the collector has %d spans, the report counts %d", len(ids), r.Spans.Sent)
	}
	if n := r.Spans.Sent + lostOf(r); n > 1500+400 || n == 0 {
		b.Errorf("%d spans of a stop, want at most 1,500 and 400 of its progress", n)
	}
	if !strings.Contains(r.Verdict, "rpc greeter.v1.Greeter/Chat") {
		b.Errorf("the verdict names no RPC: %s", r.Verdict)
	}
}

// collector takes its time for each batch.
type collector struct {
	coltracepb.UnimplementedTraceServiceServer
	addr  string
	takes time.Duration

	mu  sync.Mutex // guards following
	got []*tracepb.Span
}

func startCollector(b *testing.B, takes time.Duration) *collector {
	b.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	c := &collector{addr: lis.Addr().String(), takes: takes}
	s := grpc.NewServer()
	coltracepb.RegisterTraceServiceServer(s, c)
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	b.Cleanup(func() {
		s.Stop()
		<-served
	})
	return c
}

func (c *collector) Export(ctx context.Context, req *coltracepb.ExportTraceServiceRequest,
) (*coltracepb.ExportTraceServiceResponse, error) {
	select {
	case <-time.After(c.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			c.got = append(c.got, ss.GetSpans()...)
		}
	}
	return &coltracepb.ExportTraceServiceResponse{}, nil
}

// take returns what came since the last call.
func (c *collector) take() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	return got
}

// burst gives the spans to the SDK's batch processor and shuts it down. It returns
// how long the two took.
func (c *collector) burst(b *testing.B, spans []sdktrace.ReadOnlySpan) time.Duration {
	b.Helper()
	exp, err := otlptracegrpc.New(b.Context(),
		otlptracegrpc.WithEndpointURL("http://"+c.addr))
	if err != nil {
		b.Fatal(err)
	}
	p := sdktrace.NewBatchSpanProcessor(exp)
	return timed(func() {
		for _, s := range spans {
			p.OnEnd(s)
		}
		if err := p.Shutdown(b.Context()); err != nil {
			b.Error(err)
		}
	})
}

// stubs are the spans as the SDK has them.
func stubs(spans []*tracepb.Span) []sdktrace.ReadOnlySpan {
	var out tracetest.SpanStubs
	for _, s := range spans {
		stub := tracetest.SpanStub{
			Name: s.GetName(),
			SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID(s.GetTraceId()), SpanID: trace.SpanID(s.GetSpanId()),
				TraceFlags: trace.FlagsSampled,
			}),
			StartTime: time.Unix(0, int64(s.GetStartTimeUnixNano())), //nolint:gosec // of this century
			EndTime:   time.Unix(0, int64(s.GetEndTimeUnixNano())),   //nolint:gosec // likewise
		}
		for _, kv := range s.GetAttributes() {
			stub.Attributes = append(stub.Attributes,
				attribute.String(kv.GetKey(), fmt.Sprint(kv.GetValue().GetValue())))
		}
		out = append(out, stub)
	}
	return out.Snapshots()
}
