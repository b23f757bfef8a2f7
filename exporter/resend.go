// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

// protoSender is an exporter that sends what another run has made, as it is.
type protoSender interface {
	sendProto(context.Context, []*tracepb.ResourceSpans) error
}

// sendProto needs no wrapper of otlptracegrpc's: its timeout and its headers are
// all that it would add.
func (o *otlp) sendProto(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	if o.set.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.set.timeout)
		defer cancel()
	}
	o.partial.Store(nil)
	_, err := coltracepb.NewTraceServiceClient(o.conn).
		Export(o.withHeaders(ctx), &coltracepb.ExportTraceServiceRequest{ResourceSpans: spans})
	if p := o.partial.Load(); err == nil && p != nil {
		return p
	}
	return err
}

// resendLimit is the longest pause between two attempts: nobody waits for it.
const resendLimit = 5 * time.Second

// resender sends messages, again and again while the failure may pass.
type resender struct{ exp sdktrace.SpanExporter }

func (r *resender) send(ctx context.Context, td *tracepb.TracesData) error {
	pause := minBackoff
	for {
		out := r.attempt(ctx, td)
		switch {
		case out.fate == fateSent: // rejected spans would be rejected again
			return nil
		case out.fate == fateFailed, ctx.Err() != nil:
			return out.err
		}
		t := time.NewTimer(max(pause, out.retryAfter))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return out.err
		}
		if c, ok := r.exp.(connector); ok {
			_ = c.redial() // The next attempt meets the same error.
		}
		pause = min(2*pause, resendLimit)
	}
}

func (r *resender) attempt(ctx context.Context, td *tracepb.TracesData) outcome {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	err := safely(func() error {
		if p, ok := r.exp.(protoSender); ok {
			return p.sendProto(ctx, td.GetResourceSpans())
		}
		return r.exp.ExportSpans(ctx, remade(td))
	})
	n := 0
	otlpjson.Each(td, func(*tracepb.ResourceSpans, *tracepb.ScopeSpans, *tracepb.Span) { n++ })
	return classify(err, n)
}

// remade are the spans for an exporter that takes the SDK's only.
func remade(td *tracepb.TracesData) []sdktrace.ReadOnlySpan {
	var spans []sdktrace.ReadOnlySpan
	for _, rs := range td.GetResourceSpans() {
		attrs := attributesOf(rs.GetResource().GetAttributes())
		res := resource.NewWithAttributes(rs.GetSchemaUrl(), attrs...)
		q := newQueue()
		provider := newProvider(res, q)
		for _, ss := range rs.GetScopeSpans() {
			tracer := provider.Tracer(ss.GetScope().GetName(),
				trace.WithInstrumentationVersion(ss.GetScope().GetVersion()),
				trace.WithSchemaURL(ss.GetSchemaUrl()))
			for _, s := range ss.GetSpans() {
				sp := spanOf(s)
				sp.record(tracer)
			}
		}
		for _, e := range q.spans {
			spans = append(spans, e.span)
		}
	}
	return spans
}

// spanOf is the reverse of what the exporter does to a [Span].
func spanOf(s *tracepb.Span) Span {
	sp := Span{
		TraceID: trace.TraceID(s.GetTraceId()), SpanID: trace.SpanID(s.GetSpanId()),
		Name:       s.GetName(),
		Start:      time.Unix(0, int64(s.GetStartTimeUnixNano())),
		End:        time.Unix(0, int64(s.GetEndTimeUnixNano())),
		Attributes: attributesOf(s.GetAttributes()),
	}
	const remote = uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	if parent := s.GetParentSpanId(); len(parent) == len(sp.Parent) {
		sp.Parent = trace.SpanID(parent)
		if s.GetFlags()&remote != 0 {
			sp.RemoteParent = trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: sp.TraceID, SpanID: sp.Parent, TraceFlags: trace.FlagsSampled,
			})
			sp.Parent = trace.SpanID{}
		}
	}
	for _, l := range s.GetLinks() {
		if len(l.GetTraceId()) != len(sp.TraceID) || len(l.GetSpanId()) != len(sp.SpanID) {
			continue
		}
		state, _ := trace.ParseTraceState(l.GetTraceState())
		sp.Links = append(sp.Links, trace.Link{
			SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID(l.GetTraceId()), SpanID: trace.SpanID(l.GetSpanId()),
				TraceFlags: trace.TraceFlags(l.GetFlags()), TraceState: state,
				Remote: l.GetFlags()&remote != 0,
			}),
			Attributes: attributesOf(l.GetAttributes()),
		})
	}
	if s.GetStatus().GetCode() == tracepb.Status_STATUS_CODE_ERROR {
		sp.StatusMessage = s.GetStatus().GetMessage()
		sp.ErrorType = unknownError
		sp.Attributes = slices.DeleteFunc(sp.Attributes, func(kv attribute.KeyValue) bool {
			if kv.Key == keyErrorType {
				sp.ErrorType = kv.Value.AsString()
			}
			return kv.Key == keyErrorType // Span.record adds it
		})
	}
	return sp
}

// unknownError is error.type's value where there is none. (Semantic conventions,
// error.type.)
const unknownError = "_OTHER"

func attributesOf(all []*commonpb.KeyValue) []attribute.KeyValue {
	var out []attribute.KeyValue
	for _, kv := range all {
		key := attribute.Key(kv.GetKey())
		switch v := kv.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			out = append(out, key.String(v.StringValue))
		case *commonpb.AnyValue_BoolValue:
			out = append(out, key.Bool(v.BoolValue))
		case *commonpb.AnyValue_IntValue:
			out = append(out, key.Int64(v.IntValue))
		case *commonpb.AnyValue_DoubleValue:
			out = append(out, key.Float64(v.DoubleValue))
		case *commonpb.AnyValue_ArrayValue:
			var list []string
			for _, e := range v.ArrayValue.GetValues() {
				list = append(list, e.GetStringValue())
			}
			out = append(out, key.StringSlice(list))
		}
	}
	return out
}
