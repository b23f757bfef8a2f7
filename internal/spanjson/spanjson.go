// SPDX-License-Identifier: Apache-2.0

package spanjson

import (
	"encoding/json"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

type object = map[string]any

// keyValue is an attribute to OTLP, and to Jaeger a tag, which has a type.
type keyValue struct {
	Key   string `json:"key"`
	Type  string `json:"type,omitempty"`
	Value any    `json:"value"`
}

// OTLP is a TracesData object of spans of one service.
func OTLP(service string, spans []sdktrace.ReadOnlySpan) []byte {
	return marshal(object{"resourceSpans": resourceSpans(service, spans)})
}

// JaegerV3 is what Jaeger's /api/v3 answers.
func JaegerV3(service string, spans []sdktrace.ReadOnlySpan) []byte {
	return marshal(object{"result": object{"resourceSpans": resourceSpans(service, spans)}})
}

func resourceSpans(service string, spans []sdktrace.ReadOnlySpan) []any {
	var list []any
	for _, s := range spans {
		var attrs []any
		for _, kv := range s.Attributes() {
			attrs = append(attrs, keyValue{Key: string(kv.Key), Value: otlpValue(kv.Value)})
		}
		span := object{
			"traceId": s.SpanContext().TraceID().String(), "spanId": s.SpanContext().SpanID().String(),
			"name": s.Name(), "kind": 1, "attributes": attrs,
			"startTimeUnixNano": strconv.FormatInt(s.StartTime().UnixNano(), 10),
			"endTimeUnixNano":   strconv.FormatInt(s.EndTime().UnixNano(), 10),
		}
		if s.Parent().IsValid() {
			span["parentSpanId"] = s.Parent().SpanID().String()
		}
		list = append(list, span)
	}
	return []any{object{
		"resource": object{"attributes": []any{
			keyValue{Key: "service.name", Value: otlpValue(attribute.StringValue(service))},
		}},
		"scopeSpans": []any{object{"spans": list}},
	}}
}

func otlpValue(v attribute.Value) object {
	switch v.Type() {
	case attribute.BOOL:
		return object{"boolValue": v.AsBool()}
	case attribute.INT64:
		return object{"intValue": strconv.FormatInt(v.AsInt64(), 10)}
	case attribute.FLOAT64:
		return object{"doubleValue": v.AsFloat64()}
	case attribute.STRINGSLICE:
		var values []any
		for _, s := range v.AsStringSlice() {
			values = append(values, otlpValue(attribute.StringValue(s)))
		}
		return object{"arrayValue": object{"values": values}}
	}
	return object{"stringValue": v.AsString()}
}

// Jaeger is what Jaeger's UI downloads and its /api/traces answers.
func Jaeger(service string, spans []sdktrace.ReadOnlySpan) []byte {
	traces := make(map[trace.TraceID][]any)
	var order []trace.TraceID
	for _, s := range spans {
		id := s.SpanContext().TraceID()
		if traces[id] == nil {
			order = append(order, id)
		}
		traces[id] = append(traces[id], jaegerSpan(s))
	}
	var data []any
	for _, id := range order {
		data = append(data, object{
			"traceID": id.String(), "spans": traces[id],
			"processes": object{"p1": object{"serviceName": service, "tags": []any{}}},
		})
	}
	return marshal(object{"data": data, "total": 0, "errors": nil})
}

type reference struct {
	Type    string `json:"refType"`
	TraceID string `json:"traceID"`
	SpanID  string `json:"spanID"`
}

func jaegerSpan(s sdktrace.ReadOnlySpan) object {
	id := s.SpanContext().TraceID().String()
	refs, tags := []reference{}, []keyValue{}
	if s.Parent().IsValid() {
		refs = append(refs, reference{"CHILD_OF", id, s.Parent().SpanID().String()})
	}
	for _, kv := range s.Attributes() {
		tags = append(tags, tag(kv))
	}
	return object{
		"traceID": id, "spanID": s.SpanContext().SpanID().String(), "operationName": s.Name(),
		"references": refs, "tags": tags, "processID": "p1",
		"startTime": s.StartTime().UnixMicro(),
		"duration":  s.EndTime().Sub(s.StartTime()).Microseconds(),
	}
}

func tag(kv attribute.KeyValue) keyValue {
	key, v := string(kv.Key), kv.Value
	switch v.Type() {
	case attribute.BOOL:
		return keyValue{key, "bool", v.AsBool()}
	case attribute.INT64:
		return keyValue{key, "int64", v.AsInt64()}
	case attribute.FLOAT64:
		return keyValue{key, "float64", v.AsFloat64()}
	case attribute.STRINGSLICE:
		return keyValue{key, "string", strings.TrimSpace(string(marshal(v.AsStringSlice())))}
	}
	return keyValue{key, "string", v.AsString()}
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // there are only strings and numbers in it
	}
	return append(b, '\n')
}
