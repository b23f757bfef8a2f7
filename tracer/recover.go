// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"encoding/hex"
	"fmt"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/internal/spool"
)

// Recover sends what is left of earlier runs, byte by byte as they would have, and
// ends those that were killed: see [WithSpool]. A file is removed when the
// collector has all of it. With dry it only says what it would do. Package main of
// gracetrace calls it.
//
// The spans that it adds depend on nothing but what was left: whoever recovers the
// same again sends the same.
func (t *Tracer) Recover(ctx context.Context, left *spool.Left, dry bool) (spool.Recovered, error) {
	r := newRecovery(left)
	if dry {
		return r.done, nil
	}
	spans, of := r.toSend()
	sent := 0
	err := t.out.Send(ctx, spans, func(i int) {
		sent += spansIn(spans[i])
		if of[i] != nil {
			_ = left.Took(of[i]) // it would be sent again
		}
	})
	r.done.Spans = sent
	if err != nil {
		return r.done, err
	}
	if len(left.Lines) == 0 && left.Damaged > 0 {
		return r.done, fmt.Errorf("%d lines cannot be read: it is kept", left.Damaged)
	}
	if err := left.Remove(); err != nil {
		return r.done, fmt.Errorf("it was sent, but not removed: %w", err)
	}
	return r.done, nil
}

// recovering is what was left, by trace.
type recovering struct {
	left    *spool.Left
	set     spanSet
	found   map[*readSpan]foundSpan
	endings []*tracepb.TracesData
	done    spool.Recovered
}

// foundSpan is a span as it was left, and what it is in.
type foundSpan struct {
	rs   *tracepb.ResourceSpans
	ss   *tracepb.ScopeSpans
	span *tracepb.Span
}

func newRecovery(left *spool.Left) *recovering {
	r := &recovering{left: left, found: make(map[*readSpan]foundSpan)}
	for i := range left.Lines {
		line := &left.Lines[i]
		r.done.Foreign += dropForeign(line.Traces)
		if !line.Taken {
			r.done.Spans += spansIn(line.Traces)
		}
		otlpjson.Each(line.Traces, func(rs *tracepb.ResourceSpans, ss *tracepb.ScopeSpans, s *tracepb.Span) {
			read := readProto(rs, s)
			r.set.add(read)
			r.found[read] = foundSpan{rs, ss, s}
		})
	}
	for _, t := range r.set.traces {
		r.trace(t)
	}
	return r
}

// trace tells what runs there are in a trace, and ends those that were killed.
// Where a spool was full the end may have been another.
func (r *recovering) trace(t *readTrace) {
	if !r.left.Cut {
		for _, part := range t.parts() {
			if spans := newEnding(part, r.found).end(); spans != nil {
				r.endings = append(r.endings, spans)
				r.done.Made += spansIn(spans)
				r.done.Spans += spansIn(spans)
			}
		}
	}
	for _, rep := range t.reports() {
		if rep.Outcome == OutcomeKilled && r.left.Cut {
			rep.Outcome, rep.Verdict = outcomeCut, verdictCut
		}
		rep.scrub()
		r.done.Runs = append(r.done.Runs, spool.Run{
			Service: rep.Service, TraceID: t.id, Start: rep.Start,
			Outcome: string(rep.Outcome), Verdict: rep.Verdict,
		})
	}
}

// outcomeCut is of a run whose end could not be spooled; it never is a report's.
const (
	outcomeCut = "unknown"
	verdictCut = "the spool had no room for its end"
)

// protoAttr is an attribute as it is sent.
func protoAttr(a attr) *commonpb.KeyValue {
	v := &commonpb.AnyValue{}
	switch value := a.value.(type) {
	case string:
		v.Value = &commonpb.AnyValue_StringValue{StringValue: value}
	case bool:
		v.Value = &commonpb.AnyValue_BoolValue{BoolValue: value}
	case int:
		v.Value = &commonpb.AnyValue_IntValue{IntValue: int64(value)}
	case float64:
		v.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: value}
	case []string:
		list := &commonpb.ArrayValue{}
		for _, s := range value {
			list.Values = append(list.Values, &commonpb.AnyValue{
				Value: &commonpb.AnyValue_StringValue{StringValue: s},
			})
		}
		v.Value = &commonpb.AnyValue_ArrayValue{ArrayValue: list}
	}
	return &commonpb.KeyValue{Key: a.key, Value: v}
}

// toSend is what is to be sent, and the line that each is; nil of an end.
func (r *recovering) toSend() (all []*tracepb.TracesData, of []*spool.Line) {
	for i := range r.left.Lines {
		line := &r.left.Lines[i]
		if !line.Taken && len(line.Traces.GetResourceSpans()) > 0 {
			all, of = append(all, line.Traces), append(of, line)
		}
	}
	for _, ending := range r.endings {
		all, of = append(all, ending), append(of, nil)
	}
	return all, of
}

// dropForeign leaves only spans of ours, and counts the others.
func dropForeign(td *tracepb.TracesData) (foreign int) {
	var ours []*tracepb.ResourceSpans
	for _, rs := range td.GetResourceSpans() {
		var scopes []*tracepb.ScopeSpans
		for _, ss := range rs.GetScopeSpans() {
			if ss.GetScope().GetName() == scopeName {
				scopes = append(scopes, ss)
			} else {
				foreign += len(ss.GetSpans())
			}
		}
		if rs.ScopeSpans = scopes; len(scopes) > 0 {
			ours = append(ours, rs)
		}
	}
	td.ResourceSpans = ours
	return foreign
}

func spansIn(td *tracepb.TracesData) (n int) {
	otlpjson.Each(td, func(*tracepb.ResourceSpans, *tracepb.ScopeSpans, *tracepb.Span) { n++ })
	return n
}

// readProto is the span as a report reads it.
func readProto(rs *tracepb.ResourceSpans, s *tracepb.Span) *readSpan {
	service, _ := protoAttributes(rs.GetResource().GetAttributes())[keyServiceName].(string)
	us := func(nanos uint64) int64 { return clampTime(int64(min(nanos/1000, maxMoment))) }
	return &readSpan{
		trace:  spanIDText(hex.EncodeToString(s.GetTraceId()), 16),
		id:     spanIDText(hex.EncodeToString(s.GetSpanId()), 8),
		parent: spanIDText(hex.EncodeToString(s.GetParentSpanId()), 8),
		name:   s.GetName(), service: service,
		start: us(s.GetStartTimeUnixNano()), end: us(s.GetEndTimeUnixNano()),
		attrs: protoAttributes(s.GetAttributes()),
	}
}

func protoAttributes(all []*commonpb.KeyValue) map[string]any {
	m := make(map[string]any, len(all))
	for _, kv := range all {
		switch v := kv.GetValue().GetValue().(type) {
		case *commonpb.AnyValue_StringValue:
			m[kv.GetKey()] = v.StringValue
		case *commonpb.AnyValue_BoolValue:
			m[kv.GetKey()] = v.BoolValue
		case *commonpb.AnyValue_IntValue:
			m[kv.GetKey()] = v.IntValue
		case *commonpb.AnyValue_DoubleValue:
			m[kv.GetKey()] = v.DoubleValue
		case *commonpb.AnyValue_ArrayValue:
			var list []string
			for _, e := range v.ArrayValue.GetValues() {
				list = append(list, e.GetStringValue())
			}
			m[kv.GetKey()] = list
		}
	}
	return m
}
