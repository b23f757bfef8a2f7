// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// The parts of OTLP JSON that a report is made of. Ids are hexadecimal in OTLP,
// and base64 where protobuf's own JSON mapping wrote it.
type (
	otlpDocument struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
		// Result is around it in what Jaeger answers.
		Result *struct {
			ResourceSpans []otlpResource `json:"resourceSpans"`
		} `json:"result"`
	}
	otlpResource struct {
		Resource struct {
			Attributes []otlpAttribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Spans []otlpSpan `json:"spans"`
		} `json:"scopeSpans"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId"`
		Name       string          `json:"name"`
		Start      looseInt        `json:"startTimeUnixNano"`
		End        looseInt        `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		String *string     `json:"stringValue"`
		Bool   *bool       `json:"boolValue"`
		Int    *looseInt   `json:"intValue"`
		Double *looseFloat `json:"doubleValue"`
		Array  *struct {
			Values []otlpValue `json:"values"`
		} `json:"arrayValue"`
	}
)

// looseInt is a number, or a string of one: protobuf writes 64 bits so.
type looseInt int64

func (n *looseInt) UnmarshalJSON(b []byte) error {
	i, err := strconv.ParseInt(unquoted(b), 10, 64)
	if err != nil && string(b) != "null" {
		return fmt.Errorf("%.40s is not a whole number of 64 bits", b)
	}
	*n = looseInt(i)
	return nil
}

// looseFloat is a number, or a string of one: "NaN", "Infinity".
type looseFloat float64

func (n *looseFloat) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(unquoted(b), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) && string(b) != "null" {
		return fmt.Errorf("%.40s is not a number", b)
	}
	*n = looseFloat(f)
	return nil
}

func unquoted(b []byte) string {
	var s string
	if json.Unmarshal(b, &s) == nil && len(b) > 0 && b[0] == '"' {
		return s
	}
	return string(b)
}

func (in *input) otlp(at, end int) error {
	var d otlpDocument
	if err := in.decode(at, end, &d); err != nil {
		return err
	}
	if d.Result != nil {
		d.ResourceSpans = append(d.ResourceSpans, d.Result.ResourceSpans...)
	}
	for i := range d.ResourceSpans {
		rs := &d.ResourceSpans[i]
		resource := otlpAttributes(rs.Resource.Attributes)
		service, _ := resource[keyServiceName].(string)
		version, _ := resource[keyServiceVersion].(string)
		process, _ := resource[keyInstanceID].(string)
		for _, ss := range rs.ScopeSpans {
			for j := range ss.Spans {
				s := &ss.Spans[j]
				in.spans.add(&readSpan{
					trace: spanIDText(s.TraceID, 16), id: spanIDText(s.SpanID, 8),
					parent: spanIDText(s.Parent, 8), name: s.Name,
					service: service, version: version, process: process,
					start: clampTime(int64(s.Start) / 1000), end: clampTime(int64(s.End) / 1000),
					attrs: otlpAttributes(s.Attributes),
				})
			}
		}
	}
	return nil
}

func otlpAttributes(all []otlpAttribute) map[string]any {
	m := make(map[string]any, len(all))
	for _, a := range all {
		if v := a.Value.any(); v != nil {
			m[a.Key] = v
		}
	}
	return m
}

func (v *otlpValue) any() any {
	switch {
	case v.String != nil:
		return *v.String
	case v.Bool != nil:
		return *v.Bool
	case v.Int != nil:
		return int64(*v.Int)
	case v.Double != nil:
		return float64(*v.Double)
	case v.Array != nil:
		var list []string
		for _, e := range v.Array.Values {
			if e.String != nil {
				list = append(list, *e.String)
			}
		}
		return list
	}
	return nil
}
