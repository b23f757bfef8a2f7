// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
)

func TestSizesAreEstimatedFromAbove(t *testing.T) {
	size := 0
	c := startCollector(t, "", &collector{
		answer: func(_ context.Context, req *request) (*response, error) {
			size = proto.Size(req)
			return nil, nil
		},
	})
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr,
		"OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name="+strings.Repeat("p", 300))
	exp, err := otlpFactory(nil)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer safeShutdown(exp)
	res, _, err := newResource(nil)
	if err != nil {
		t.Fatal(err)
	}
	link := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: 1,
	})
	for name, sp := range map[string]Span{
		"bare":  span(1, "x"),
		"error": {Name: "x", ErrorType: "forced", StatusMessage: strings.Repeat("m", 200)},
		"links": {Name: "x", Links: []trace.Link{{SpanContext: link}, {SpanContext: link}}},
		"attributes": {Name: strings.Repeat("ü", 100), Attributes: []attribute.KeyValue{
			attribute.Bool("b", true), attribute.Int64("i", -1), attribute.Float64("f", 1.5),
			attribute.String("s", strings.Repeat("ü", 1000)),
			attribute.StringSlice("ss", []string{"a", "", "ccc"}),
			attribute.Int64Slice("is", []int64{1, -2, 1 << 60, -3, -4, -5, -6}),
			attribute.BoolSlice("bs", []bool{true, false}),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			q := newQueue()
			tracer := newProvider(res, q).Tracer("scope")
			for range 50 {
				sp.record(tracer)
			}
			b, _ := q.take(firstLane, batchBytes)
			batch := b.entries
			estimate := resourceSize(batch[0].span)
			var spans []sdktrace.ReadOnlySpan
			for _, e := range batch {
				estimate += spanSize(e.span)
				spans = append(spans, e.span)
			}
			if err := exp.ExportSpans(t.Context(), spans); err != nil {
				t.Fatal(err)
			}
			if estimate < size || estimate > 4*size {
				t.Errorf("50 spans take %d bytes, estimated %d", size, estimate)
			}
		})
	}
}

func TestPendingUntilFlushHasEnded(t *testing.T) {
	exp := &fake{export: func(ctx context.Context, _ int, _ []sdktrace.ReadOnlySpan) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		synctest.Wait() // a is on its way
		s.Emit(span(2, "b"))
		if r := s.Result(); r.Pending != 2 || r.Sent != 0 || r.Lost != nil {
			t.Errorf("before the flush: %+v, want 2 pending", r)
		}
		if r := s.Flush(t.Context()); r.Pending != 0 || r.Lost[lostTimeout] != 2 {
			t.Errorf("after the flush: %+v, want 2 lost", r)
		}
	})
}
