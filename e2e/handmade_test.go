// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// A trace made by hand: an outline as [timeline.Tree.Outline] writes it. A line
// that ends in "unsent" has an id, so that its children can name it, but the
// process was killed before it could be sent.
type handmade struct {
	id      [16]byte
	begin   time.Time
	outline string
	// attributes are those of the spans with the name.
	attributes map[string]map[string]string
	failed     string // the span with error status
	link       []byte // trace id that the parentless spans link to, or nil
}

func (h *handmade) traceID() string { return hex.EncodeToString(h.id[:]) }

// spans turns the outline into spans. Ids count from 1.
func (h *handmade) spans(t *testing.T) []*tracepb.Span {
	t.Helper()
	var spans []*tracepb.Span
	var path [][]byte // ids from the root to the line before
	id := uint64(0)
	for line := range strings.Lines(h.outline) {
		id++
		rest := strings.TrimLeft(strings.TrimSpace(line), " ")
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		name, times, _ := strings.Cut(rest, "  ")
		f := strings.Fields(times)
		s := &tracepb.Span{
			TraceId: h.id[:], SpanId: binary.BigEndian.AppendUint64(nil, id),
			Name: name, Kind: tracepb.Span_SPAN_KIND_INTERNAL,
			Attributes: attributes(h.attributes[name]),
		}
		start := h.begin.Add(duration(t, f[0]))
		s.StartTimeUnixNano = uint64(start.UnixNano())
		s.EndTimeUnixNano = uint64(start.Add(duration(t, f[1])).UnixNano())
		if name == h.failed {
			s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}
		}
		if depth > 0 {
			s.ParentSpanId = path[depth-1]
		} else if h.link != nil {
			s.Links = []*tracepb.Span_Link{{TraceId: h.link, SpanId: h.link[:8]}}
		}
		path = append(path[:depth], s.GetSpanId())
		if len(f) < 3 || f[2] != "unsent" {
			spans = append(spans, s)
		}
	}
	return spans
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(strings.TrimPrefix(s, "+"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func attributes(m map[string]string) []*commonpb.KeyValue {
	var kvs []*commonpb.KeyValue
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := &commonpb.AnyValue_StringValue{StringValue: m[k]}
		kvs = append(kvs, &commonpb.KeyValue{Key: k, Value: &commonpb.AnyValue{Value: v}})
	}
	return kvs
}

// send gives the trace to Jaeger over OTLP, as a pod of the demo would, and
// returns when Jaeger has stored it.
func (h *handmade) send(t *testing.T, j *jaegerd.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client := otlptracegrpc.NewClient(
		otlptracegrpc.WithEndpoint(j.OTLP), otlptracegrpc.WithInsecure())
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	err := client.UploadTraces(ctx, []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: attributes(map[string]string{
			"service.name": "greeter",
			"host.name":    "greeter-7d9f-x2x", // or Jaeger corrects our clock
		})},
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: "handmade"},
			Spans: h.spans(t),
		}},
	}})
	if err != nil {
		t.Fatalf("sending spans: %v", err)
	}
	if err := client.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}
