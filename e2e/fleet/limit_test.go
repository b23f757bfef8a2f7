// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"strings"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// A queue that is full for once, while Jaeger is away, raises the alert: its names
// are those that this collector has.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.collector.env = append(s.collector.env, "COLLECTOR_QUEUE_BYTES=300000")
	s.collector.start(t)
	s.prometheus.start(t)
	s.awaitValue(t, `count(otelcol_exporter_queue_capacity)`, 2)

	s.fill(t)
	awaitEqual(t, "the alerts of the collector", "GracetraceCountsIncomplete", func() string {
		names := s.firing(t, "")
		return strings.Join(names[:min(1, len(names))], "")
	})
}

// fill sends until the collector has no room.
func (s *stack) fill(t *testing.T) {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(s.endpoint, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := collectorpb.NewTraceServiceClient(conn)
	for range 100 {
		id, now := newTraceID(), uint64(time.Now().UnixNano())
		_, err := client.Export(t.Context(), &collectorpb.ExportTraceServiceRequest{
			ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{
				Scope: &commonpb.InstrumentationScope{Name: ours},
				Spans: []*tracepb.Span{{
					TraceId: id[:], SpanId: id[:8], Name: "quit",
					StartTimeUnixNano: now, EndTimeUnixNano: now,
					Attributes: []*commonpb.KeyValue{text("padding", strings.Repeat("x", 20_000))},
				}},
			}}}},
		})
		if status.Code(err) == codes.Unavailable {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the queue has room for 2 MB")
}
