// SPDX-License-Identifier: Apache-2.0

package jaegerd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// The parts of OTLP JSON that tests look at. The OTLP proto module cannot read
// it: ids are hexadecimal here and base64 in protojson.
type (
	resourceSpans struct {
		Resource struct {
			Attributes []keyValue `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Scope struct {
				Name    string `json:"name"`
				Version string `json:"version"`
			} `json:"scope"`
			Spans []span `json:"spans"`
		} `json:"scopeSpans"`
	}
	span struct {
		TraceID    string     `json:"traceId"`
		SpanID     string     `json:"spanId"`
		Parent     string     `json:"parentSpanId"`
		Name       string     `json:"name"`
		Kind       int        `json:"kind"`
		Start      int64      `json:"startTimeUnixNano,string"`
		End        int64      `json:"endTimeUnixNano,string"`
		Attributes []keyValue `json:"attributes"`
		Links      []struct {
			TraceID string `json:"traceId"`
			SpanID  string `json:"spanId"`
		} `json:"links"`
		Status struct {
			Code int `json:"code"`
		} `json:"status"`
	}
	keyValue struct {
		Key   string `json:"key"`
		Value value  `json:"value"`
	}
	value struct {
		String *string  `json:"stringValue"`
		Int    *int64   `json:"intValue,string"`
		Double *float64 `json:"doubleValue"`
		Bool   *bool    `json:"boolValue"`
		Array  *struct {
			Values []value `json:"values"`
		} `json:"arrayValue"`
	}
)

const statusError = 2

// decode reads an answer of /api/v3 and returns its spans by trace, in the order
// in which the traces first appear.
func decode(body []byte) ([][]*timeline.Span, error) {
	var traces [][]*timeline.Span
	index := map[string]int{}
	dec := json.NewDecoder(bytes.NewReader(body))
	for { // a chunk of a long answer is a value of its own
		var chunk struct {
			Result struct {
				ResourceSpans []resourceSpans `json:"resourceSpans"`
			} `json:"result"`
		}
		if err := dec.Decode(&chunk); errors.Is(err, io.EOF) {
			return traces, nil
		} else if err != nil {
			return nil, fmt.Errorf("decoding OTLP JSON: %w", err)
		}
		for _, rs := range chunk.Result.ResourceSpans {
			resource := attributes(rs.Resource.Attributes)
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					i, ok := index[s.TraceID]
					if !ok {
						i = len(traces)
						index[s.TraceID] = i
						traces = append(traces, nil)
					}
					traces[i] = append(traces[i], s.timeline(resource, ss.Scope.Name, ss.Scope.Version))
				}
			}
		}
	}
}

func (s *span) timeline(resource map[string]any, scope, version string) *timeline.Span {
	service, _ := resource["service.name"].(string)
	out := &timeline.Span{
		Trace: s.TraceID, ID: s.SpanID, Parent: s.Parent, Service: service,
		Scope: scope, Version: version,
		Name: s.Name, Kind: s.Kind, Error: s.Status.Code == statusError,
		// The UI cuts start and duration to microseconds, each for itself.
		Start:      s.Start / 1000,
		End:        s.Start/1000 + (s.End-s.Start)/1000,
		Attributes: attributes(s.Attributes), Resource: resource,
	}
	for _, l := range s.Links {
		if l.TraceID == s.TraceID {
			out.Links = append(out.Links, l.SpanID)
		} else {
			out.Foreign = append(out.Foreign, timeline.Link{Trace: l.TraceID, Span: l.SpanID})
		}
	}
	return out
}

func attributes(kvs []keyValue) map[string]any {
	m := make(map[string]any, len(kvs))
	for _, kv := range kvs {
		m[kv.Key] = kv.Value.any()
	}
	return m
}

func (v value) any() any {
	switch {
	case v.String != nil:
		return *v.String
	case v.Int != nil:
		return *v.Int
	case v.Double != nil:
		return *v.Double
	case v.Bool != nil:
		return *v.Bool
	case v.Array != nil:
		all := make([]any, len(v.Array.Values))
		for i, e := range v.Array.Values {
			all[i] = e.any()
		}
		return all
	}
	return nil
}

// decodeIDs reads an answer of version 1 and returns the ids of its traces.
func decodeIDs(body []byte) ([]string, error) {
	var answer struct {
		Data []struct {
			TraceID string `json:"traceID"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("decoding the search: %w", err)
	}
	ids := make([]string, 0, len(answer.Data))
	for _, d := range answer.Data {
		ids = append(ids, d.TraceID)
	}
	return ids, nil
}
