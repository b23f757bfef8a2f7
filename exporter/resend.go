// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"cmp"
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
	"google.golang.org/protobuf/proto"

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

const (
	// resendLimit is the longest pause between two attempts: nobody waits for it.
	resendLimit = 5 * time.Second
	// resendBytes is what is sent at once.
	resendBytes = 1 << 20
	// finalRow is how many requests that are refused for good, in a row, say that
	// this collector will not have any.
	finalRow = 32
)

// piece is a line that is to be sent, or a part of one.
type piece struct {
	td    *tracepb.TracesData
	line  int
	alone int // how often it was refused alone, which may pass
}

// resender sends what another run has left. A line that cannot be sent is tried
// again after all others, or put aside: it never keeps them.
type resender struct {
	exp    sdktrace.SpanExporter
	warned func(outcome)
	took   func(line int)
	pieces []piece
	open   []int // of each line, its pieces that the collector has not decided about
	window window
	pause  time.Duration
	row    int   // requests that were refused for good since the last that was taken
	err    error // for which a line was put aside
}

func (e *Exporter) newResender(
	exp sdktrace.SpanExporter, lines []*tracepb.TracesData, took func(int),
) *resender {
	r := &resender{
		exp: exp, warned: e.warned, took: took, open: make([]int, len(lines)),
		window: newWindow(resendBytes), pause: minBackoff,
	}
	for i, td := range lines {
		r.pieces = append(r.pieces, piece{td: td, line: i})
		r.open[i] = 1
	}
	return r
}

// send returns the first error for which a line was put aside, or the last one
// when ctx is over.
func (r *resender) send(ctx context.Context) error {
	for len(r.pieces) > 0 {
		group, size := r.take()
		out := r.attempt(ctx, group)
		switch out.fate {
		case fateSent: // rejected spans would be rejected again
			r.window.taken(size)
			r.warned(out)
			r.pause, r.row = minBackoff, 0
			r.decided(group)
		case fateTooLarge:
			r.window.tooLarge(size)
			if !r.split(group) {
				r.decided(group) // no collector with this limit ever takes it
			}
		case fateFailed:
			r.window.refused(size)
			if r.row++; r.row >= finalRow || out.barred {
				return out.err
			}
			if !r.split(group) {
				r.err = cmp.Or(r.err, out.err)
			}
		default:
			if ctx.Err() != nil || !r.later(ctx, group, size, out) {
				return out.err
			}
		}
	}
	return r.err
}

// take removes the next pieces, at least one.
func (r *resender) take() (group []piece, size int) {
	n := 0
	for n < len(r.pieces) {
		more := proto.Size(r.pieces[n].td)
		if n > 0 && size+more > r.window.room {
			break
		}
		size += more
		n++
	}
	group, r.pieces = r.pieces[:n:n], r.pieces[n:]
	return group, size
}

// decided counts pieces that the collector has, or never will have.
func (r *resender) decided(group []piece) {
	for _, p := range group {
		if r.open[p.line]--; r.open[p.line] == 0 {
			r.took(p.line)
		}
	}
}

// split puts a group back, to be sent in smaller ones: a single piece as two. It
// returns false if it is one span.
func (r *resender) split(group []piece) bool {
	if len(group) == 1 {
		p := group[0]
		n := spansIn(p.td)
		if n < 2 {
			return false
		}
		r.open[p.line]++
		group = []piece{
			{td: part(p.td, 0, n/2), line: p.line}, {td: part(p.td, n/2, n), line: p.line},
		}
	}
	r.pieces = slices.Concat(group, r.pieces)
	return true
}

// later has a group sent again, after a pause and behind all others: it may be
// what the collector fails on. It returns false when the time is over.
func (r *resender) later(ctx context.Context, group []piece, size int, out outcome) bool {
	r.window.refused(size)
	switch {
	case out.fate != fateExhausted:
		r.pieces = append(r.pieces, group...)
	case r.split(group):
	default:
		p := group[0]
		if p.alone++; p.alone >= aloneLimit {
			r.err = cmp.Or(r.err, out.err)
			break
		}
		r.pieces = append(r.pieces, p)
	}
	t := time.NewTimer(max(r.pause, out.retryAfter))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return false
	}
	if c, ok := r.exp.(connector); ok && out.fate != fateExhausted {
		_ = c.redial() // The next attempt meets the same error.
	}
	r.pause = min(2*r.pause, resendLimit)
	return true
}

func (r *resender) attempt(ctx context.Context, group []piece) outcome {
	ctx, cancel := context.WithTimeout(ctx, attemptLimit)
	defer cancel()
	td := new(tracepb.TracesData)
	for _, p := range group {
		td.ResourceSpans = append(td.ResourceSpans, p.td.GetResourceSpans()...)
	}
	err := safely(func() error {
		if p, ok := r.exp.(protoSender); ok {
			return p.sendProto(ctx, td.GetResourceSpans())
		}
		return r.exp.ExportSpans(ctx, remade(td))
	})
	return classify(err, spansIn(td))
}

func spansIn(td *tracepb.TracesData) (n int) {
	otlpjson.Each(td, func(*tracepb.ResourceSpans, *tracepb.ScopeSpans, *tracepb.Span) { n++ })
	return n
}

// part is the spans from one place to another, in what they are in.
func part(td *tracepb.TracesData, from, to int) *tracepb.TracesData {
	out := new(tracepb.TracesData)
	at := 0
	for _, rs := range td.GetResourceSpans() {
		some := &tracepb.ResourceSpans{Resource: rs.GetResource(), SchemaUrl: rs.GetSchemaUrl()}
		for _, ss := range rs.GetScopeSpans() {
			n := len(ss.GetSpans())
			lo, hi := max(from-at, 0), min(to-at, n)
			if at += n; lo < hi {
				some.ScopeSpans = append(some.ScopeSpans, &tracepb.ScopeSpans{
					Scope: ss.GetScope(), SchemaUrl: ss.GetSchemaUrl(), Spans: ss.GetSpans()[lo:hi],
				})
			}
		}
		if len(some.GetScopeSpans()) > 0 {
			out.ResourceSpans = append(out.ResourceSpans, some)
		}
	}
	return out
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
			state, _ := trace.ParseTraceState(s.GetTraceState())
			sp.RemoteParent = trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: sp.TraceID, SpanID: sp.Parent, TraceFlags: trace.TraceFlags(s.GetFlags()),
				TraceState: state,
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
