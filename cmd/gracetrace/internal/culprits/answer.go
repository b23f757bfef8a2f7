// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gracetrace/gracetrace/internal/legible"
)

// Bounds of what is read. The largest shutdown that we send has 1,500 spans: 2 MB of
// JSON with less than 200,000 commas.
const (
	maxAnswer = 256 << 20 // of one answer, in bytes of JSON
	maxTrace  = 16 << 20  // of one trace
	maxValues = 400_000   // of one trace, in commas: an empty object takes 300 bytes of memory
	maxLevels = 100       // of JSON
)

// traceID identifies a trace.
type traceID [16]byte

func (id traceID) String() string { return hex.EncodeToString(id[:]) }

// parseID reads one in the forms in which Jaeger has written it: hexadecimal, maybe
// without zeros at its beginning, and base64.
func parseID(s string) (id traceID, ok bool) {
	if n := len(s); n > 0 && n <= 2*len(id) {
		if _, err := hex.Decode(id[:], []byte(strings.Repeat("0", 2*len(id)-n)+s)); err == nil {
			return id, id != traceID{}
		}
	}
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	if err != nil || len(b) != len(id) {
		return traceID{}, false
	}
	return traceID(b), true
}

// errTooLong is the end of an answer of which maxAnswer bytes were read.
var errTooLong = errors.New("the answer is too long")

// trace is one that was answered.
type trace struct {
	id    traceID
	known bool   // it was not cut out
	json  []byte // OTLP; nil if it is too large. Valid for the call alone
}

// readAnswer cuts an answer of /api/v3/traces into its traces: JSON objects, of which
// each has {"result": {"resourceSpans": [...]}} or an error. known says which traces
// need not be cut out; each gets all, and may end the reading with an error. The
// spans of one trace stand together: an answer in which they do not is an error, or
// its traces would be counted twice.
func readAnswer(body io.Reader, limit int64, known func(traceID) bool, each func(trace) error) error {
	limited := &io.LimitedReader{R: body, N: limit}
	s := &splitter{
		lexer: lexer{in: bufio.NewReaderSize(limited, 64<<10)},
		known: known, each: each, ended: make(map[traceID]bool),
	}
	err := s.values()
	if err == nil {
		err = s.flush()
	}
	if ended := (again{}); limited.N <= 0 && errors.As(err, &ended) {
		return errTooLong // what ended it is the limit
	}
	return err
}

// splitter puts the parts of an answer together to traces.
type splitter struct {
	lexer
	known func(traceID) bool
	each  func(trace) error

	some    bool // a value was there that may hold traces
	part    []byte
	current trace // its json is what is known of it by now
	commas  int   // in it
	over    bool  // it is too large
	ended   map[traceID]bool
}

const otlpStart, otlpEnd = `{"resourceSpans":[`, `]}`

func (s *splitter) values() error {
	for {
		switch _, err := s.peek(); {
		case errors.Is(err, io.EOF) && s.some:
			return nil
		case errors.Is(err, io.EOF):
			return again{errors.New("the answer is empty")}
		case err != nil:
			return again{err}
		}
		err := s.object(s.value)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return again{errors.New("the answer ends in the middle")}
		}
		if err != nil {
			return err
		}
	}
}

// value reads a part of one of the answer's objects.
func (s *splitter) value(key string) error {
	switch key {
	case "result":
		s.some = true
		return s.object(func(key string) error {
			if key != "resourceSpans" {
				_, err := s.capture(nil, 0)
				return err
			}
			return s.array(s.spans)
		})
	case "error":
		if _, err := s.capture(&s.part, maxTrace); err != nil {
			return err
		}
		text, _ := apiError(fmt.Appendf(nil, `{"error":%s}`, s.part))
		return again{fmt.Errorf("an error in the answer: %s", text)}
	}
	_, err := s.capture(nil, 0)
	return err
}

// spans reads one of resourceSpans, which is of one trace.
func (s *splitter) spans() error {
	found, err := s.capture(&s.part, maxTrace)
	switch {
	case err != nil:
		return err
	case found.mixed:
		return errMixed
	case found.trace == "":
		return nil // no spans in it
	}
	id, ok := parseID(found.trace)
	if !ok {
		return fmt.Errorf("%.80q is no trace id", legible.Printable(found.trace))
	}
	if id != s.current.id {
		if err := s.begin(id); err != nil {
			return err
		}
	}
	s.commas += found.commas
	size := len(s.current.json)
	s.over = s.over || found.over || s.commas > maxValues || size+len(s.part) > maxTrace
	if s.current.known || s.over {
		return nil
	}
	if size > len(otlpStart) {
		s.current.json = append(s.current.json, ',')
	}
	s.current.json = append(s.current.json, s.part...)
	return nil
}

var errMixed = errors.New("the spans of a trace do not stand together in the answer, " +
	"as they do with all of Jaeger that is known")

// begin is the end of the trace before.
func (s *splitter) begin(id traceID) error {
	if s.ended[id] {
		return errMixed
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.current = trace{id: id, known: s.known(id), json: append(s.current.json[:0], otlpStart...)}
	s.commas, s.over = 0, false
	return nil
}

func (s *splitter) flush() error {
	if s.current.id == (traceID{}) {
		return nil
	}
	s.ended[s.current.id] = true
	t := s.current
	t.json = append(t.json, otlpEnd...)
	s.current.json = t.json // the memory
	if t.known || s.over {
		t.json = nil
	}
	return s.each(t)
}
