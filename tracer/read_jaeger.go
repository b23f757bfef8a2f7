// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The parts of Jaeger's own JSON that a report is made of. Its times are in
// microseconds.
type (
	jaegerDocument struct {
		Data   []jaegerTrace `json:"data"`
		Errors []struct {
			Message string `json:"msg"`
		} `json:"errors"`
		jaegerTrace // one of them alone
	}
	jaegerTrace struct {
		Spans     []jaegerSpan             `json:"spans"`
		Processes map[string]jaegerProcess `json:"processes"`
	}
	jaegerProcess struct {
		Service string      `json:"serviceName"`
		Tags    []jaegerTag `json:"tags"` // the rest of the resource
	}
	jaegerSpan struct {
		TraceID    string `json:"traceID"`
		SpanID     string `json:"spanID"`
		Name       string `json:"operationName"`
		References []struct {
			Type    string `json:"refType"`
			TraceID string `json:"traceID"`
			SpanID  string `json:"spanID"`
		} `json:"references"`
		Start     looseInt    `json:"startTime"`
		Duration  looseInt    `json:"duration"`
		Tags      []jaegerTag `json:"tags"`
		ProcessID string      `json:"processID"`
	}
	jaegerTag struct {
		Key   string          `json:"key"`
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
)

func (in *input) jaeger(at, end int) error {
	var d jaegerDocument
	if err := in.decode(at, end, &d); err != nil {
		return err
	}
	if len(d.Data) == 0 && len(d.Errors) > 0 {
		return in.errorAt(at, fmt.Errorf("an error that Jaeger answered, no trace: %.200q",
			d.Errors[0].Message))
	}
	for _, t := range append(d.Data, d.jaegerTrace) {
		for i := range t.Spans {
			s, err := t.Spans[i].read(t.Processes)
			if err != nil {
				return in.errorAt(at, err)
			}
			in.spans.add(s)
		}
	}
	return nil
}

func (s *jaegerSpan) read(processes map[string]jaegerProcess) (*readSpan, error) {
	process := processes[s.ProcessID]
	out := &readSpan{
		trace: spanIDText(s.TraceID, 16), id: spanIDText(s.SpanID, 8), name: s.Name,
		service: process.Service, version: process.tag(keyServiceVersion),
		process: process.tag(keyInstanceID),
		start:   clampTime(int64(s.Start)), attrs: make(map[string]any, len(s.Tags)),
	}
	out.end = clampTime(out.start + int64(min(max(s.Duration, 0), maxMoment)))
	for _, ref := range s.References {
		if ref.Type == "CHILD_OF" && spanIDText(ref.TraceID, 16) == out.trace {
			out.parent = spanIDText(ref.SpanID, 8)
			break
		}
	}
	for i := range s.Tags {
		tag := &s.Tags[i]
		v, err := tag.read()
		if err != nil {
			return nil, fmt.Errorf("span %.40q, tag %.80q: %w", s.SpanID, tag.Key, err)
		}
		out.attrs[tag.Key] = v
	}
	return out, nil
}

func (p *jaegerProcess) tag(key string) string {
	for i := range p.Tags {
		if tag := &p.Tags[i]; tag.Key == key {
			return unquoted(tag.Value)
		}
	}
	return ""
}

// read understands what the type says. For arrays see readSpan.list.
func (t *jaegerTag) read() (any, error) {
	var err error
	switch t.Type {
	case "bool":
		var b bool
		if err = json.Unmarshal(t.Value, &b); err == nil {
			return b, nil
		}
		return unquoted(t.Value) == "true", nil // as Elasticsearch keeps it
	case "int64":
		var n looseInt
		err = json.Unmarshal(t.Value, &n)
		return int64(n), err
	case "float64":
		var f looseFloat
		err = json.Unmarshal(t.Value, &f)
		return float64(f), err
	}
	if len(t.Value) == 0 {
		return nil, errors.New("no value")
	}
	return unquoted(t.Value), nil
}
