// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// ours is the instrumentation scope of every span of gracetrace's.
const ours = "github.com/gracetrace/gracetrace/tracer"

// An application sends traces of its own through the collector.
type application struct {
	endpoint string
	service  string
}

// A traceID is that of an application's trace.
type traceID [16]byte

func newTraceID() (id traceID) {
	for i := range id {
		id[i] = byte(rand.Uint32())
	}
	return id
}

func (id traceID) String() string { return hex.EncodeToString(id[:]) }

// send sends one span of a trace: the id is the root's number.
func (a *application) send(t *testing.T, id traceID, number byte, scope, name string,
	status tracepb.Status_StatusCode,
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	client := otlptracegrpc.NewClient(
		otlptracegrpc.WithEndpoint(strings.TrimPrefix(a.endpoint, "http://")), otlptracegrpc.WithInsecure())
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	now := uint64(time.Now().UnixNano())
	span := &tracepb.Span{
		TraceId: id[:], SpanId: []byte{0, 0, 0, 0, 0, 0, 0, number}, Name: name,
		StartTimeUnixNano: now - uint64(time.Second), EndTimeUnixNano: now,
		Status: &tracepb.Status{Code: status},
	}
	if number > 1 {
		span.ParentSpanId = []byte{0, 0, 0, 0, 0, 0, 0, 1}
	}
	err := client.UploadTraces(ctx, []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", a.service)}},
		ScopeSpans: []*tracepb.ScopeSpans{{
			Scope: &commonpb.InstrumentationScope{Name: scope}, Spans: []*tracepb.Span{span},
		}},
	}})
	if err != nil {
		t.Fatalf("sending a span: %v", err)
	}
	if err := client.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{
		Value: &commonpb.AnyValue_StringValue{StringValue: value},
	}}
}
