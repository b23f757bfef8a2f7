// SPDX-License-Identifier: Apache-2.0

// Package otlpjson writes and reads OTLP JSON lines: one TracesData object a
// line, as a collector's file exporter writes it. (OpenTelemetry specification,
// OpenTelemetry Protocol File Exporter; OTLP, JSON Protobuf Encoding.)
//
// It is protobuf's JSON mapping but for two things: ids are hexadecimal and
// enums are numbers. What is read from a line that was written here is the
// message that was written, field by field.
package otlpjson

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Begin is how each line begins that [Line] makes: it is looked for in logs.
const Begin = `{"resourceSpans":[`

// Line returns one line, its newline included. It does not change td.
func Line(td *tracepb.TracesData) ([]byte, error) {
	td, _ = proto.Clone(td).(*tracepb.TracesData)
	eachID(td, disguise)
	text, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(td)
	if err != nil {
		return nil, err
	}
	// protojson puts blanks in places that differ from build to build.
	line := bytes.NewBuffer(make([]byte, 0, len(text)+1))
	if err := json.Compact(line, text); err != nil {
		return nil, err
	}
	line.WriteByte('\n')
	return line.Bytes(), nil
}

var errNoSpans = errors.New("no TracesData with spans")

// Parse reads one line. Unknown fields are ignored; an id that is none is an
// error, and so is an object without spans.
func Parse(line []byte) (*tracepb.TracesData, error) {
	td := new(tracepb.TracesData)
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(line, td); err != nil {
		return nil, err
	}
	var errs error
	spans := 0
	eachID(td, func(id []byte, size int) []byte {
		plain, err := reveal(id, size)
		errs = errors.Join(errs, err)
		return plain
	})
	Each(td, func(_ *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
		spans++
		if len(s.GetTraceId()) == 0 || len(s.GetSpanId()) == 0 {
			errs = errors.Join(errs, errors.New("a span without an id"))
		}
	})
	if spans == 0 && errs == nil {
		errs = errNoSpans
	}
	if errs != nil {
		return nil, errs
	}
	return td, nil
}

// Each calls f with each span, and with what it is in.
func Each(td *tracepb.TracesData,
	f func(*tracepb.ResourceSpans, *tracepb.ScopeSpans, *tracepb.Span),
) {
	for _, rs := range td.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				f(rs, ss, s)
			}
		}
	}
}

const (
	traceIDSize = 16
	spanIDSize  = 8
)

// eachID replaces each id that is not empty by what f makes of it.
func eachID(td *tracepb.TracesData, f func(id []byte, size int) []byte) {
	apply := func(id []byte, size int) []byte {
		if len(id) == 0 {
			return id
		}
		return f(id, size)
	}
	Each(td, func(_ *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
		s.TraceId = apply(s.GetTraceId(), traceIDSize)
		s.SpanId = apply(s.GetSpanId(), spanIDSize)
		s.ParentSpanId = apply(s.GetParentSpanId(), spanIDSize)
		for _, l := range s.GetLinks() {
			l.TraceId = apply(l.GetTraceId(), traceIDSize)
			l.SpanId = apply(l.GetSpanId(), spanIDSize)
		}
	})
}

// disguise makes bytes whose base64, which protobuf writes, is the id's
// hexadecimal form: every digit is one of base64's, and their number divides by
// four.
func disguise(id []byte, _ int) []byte {
	b, err := base64.StdEncoding.DecodeString(hex.EncodeToString(id))
	if err != nil {
		return id // of an odd size: nobody reads such an id
	}
	return b
}

// reveal is the reverse of disguise. Protobuf's own mapping of an id, base64, is
// understood, too: its length tells it.
func reveal(b []byte, size int) ([]byte, error) {
	if len(b) == size {
		return b, nil
	}
	id, err := hex.DecodeString(base64.StdEncoding.EncodeToString(b))
	if err != nil || len(id) != size {
		return nil, fmt.Errorf("an id that is not %d bytes", size)
	}
	return id, nil
}
