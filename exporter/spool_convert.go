// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

var errTooLong = errors.New("too long for a line although its texts were cut")

// traces are what the OTLP exporter sends for the entries: it is the same code.
// Jaeger makes one span of two with one id only if they are the same, byte by byte.
func traces(entries []*entry) (*tracepb.TracesData, error) {
	spans := make([]sdktrace.ReadOnlySpan, len(entries))
	for i, e := range entries {
		spans[i] = e.span
	}
	var c capture
	err := safely(func() error {
		return otlptrace.NewUnstarted(&c).ExportSpans(context.Background(), spans)
	})
	return &tracepb.TracesData{ResourceSpans: c.spans}, err
}

// capture is an OTLP client that keeps what it is to send.
type capture struct{ spans []*tracepb.ResourceSpans }

func (*capture) Start(context.Context) error { return nil }
func (*capture) Stop(context.Context) error  { return nil }

func (c *capture) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	c.spans = spans
	return nil
}

// shortenTexts cuts each text of the spans and of what they are in to n bytes, and
// says so. At zero all attributes go.
func shortenTexts(td *tracepb.TracesData, n int) {
	otlpjson.Each(td, func(rs *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
		shortenAll(rs.GetResource().GetAttributes(), n)
		shortenAll(s.GetAttributes(), n)
		if st := s.GetStatus(); st != nil {
			st.Message = shortText(st.GetMessage(), n)
		}
		s.Name = shortText(s.GetName(), max(n, shortened[0]/4))
		if n == 0 {
			s.Attributes, s.Links, s.Events = nil, nil, nil
			rs.Resource.Attributes = nil
		}
		s.Attributes = append(s.Attributes, &commonpb.KeyValue{
			Key:   keyShortened,
			Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}},
		})
	})
}

func shortenAll(attrs []*commonpb.KeyValue, n int) {
	for _, kv := range attrs {
		shortenValue(kv.GetValue(), n)
	}
}

func shortenValue(v *commonpb.AnyValue, n int) {
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		v.StringValue = shortText(v.StringValue, n)
	case *commonpb.AnyValue_ArrayValue:
		for _, e := range v.ArrayValue.GetValues() {
			shortenValue(e, n)
		}
	}
}

func shortText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
