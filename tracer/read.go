// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/gracetrace/gracetrace/internal/spool"
)

const (
	maxInput = 256 << 20 // of ReadReports, in bytes
	maxDepth = 100       // of its JSON; what we write nests less than 20 deep
	// maxCommas bounds the values of its JSON: an empty object takes 2 bytes of a
	// file and 300 of memory. The largest shutdown has less than 200,000.
	maxCommas = 4_000_000
)

// ReadReports reads reports from a file of any of these formats, or of several
// values in them, one after another:
//
//   - what [Report.WriteJSON] writes;
//   - OTLP JSON, as a collector's file exporter writes it: a TracesData object, or
//     one on each line, of which the last may be torn;
//   - a log in which such lines are among others, each with whatever a container
//     runtime puts in front of it;
//   - what Jaeger's UI downloads and its /api/traces answers: {"data": [...]};
//   - what Jaeger's /api/v3/traces answers: {"result": {"resourceSpans": [...]}}.
//
// Of spans it makes a report for each shutdown among them, that of a group with its
// members in it; one whose end never came has the outcome [OutcomeKilled]. Other
// traces are ignored. The reports are ordered by their start. Errors tell the line
// and column, and what was expected; an input without a shutdown is an error. It
// reads at most 256 MiB and some 4,000,000 JSON values, more than 20 of the largest
// shutdowns have. Control characters in texts are replaced.
func ReadReports(r io.Reader) ([]*Report, error) { return readReports(r, maxInput) }

func readReports(r io.Reader, limit int64) ([]*Report, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d MiB", limit>>20)
	}
	in := &input{data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))}
	if err := in.values(); err != nil {
		text := in.data
		if in = fromLog(text); in == nil {
			return nil, cmp.Or(onlyLog(text), err)
		}
	}
	reports := slices.Concat(in.reports, in.spans.reports())
	if len(reports) == 0 {
		return nil, in.empty()
	}
	slices.SortStableFunc(reports, func(a, b *Report) int { return a.Start.Compare(b.Start) })
	for _, r := range reports {
		r.Notes = append(r.Notes, in.notes...)
		r.scrub()
	}
	return reports, nil
}

// fromLog reads the lines of a log that the spool has written. It returns nil if
// there is none.
func fromLog(data []byte) *input {
	var lines []byte
	damaged, err := spool.LogLines(bytes.NewReader(data), func(object []byte) {
		lines = append(append(lines, object...), '\n')
	})
	in := &input{data: lines}
	if err != nil || len(lines) == 0 || in.values() != nil {
		return nil
	}
	if damaged > 0 {
		in.notes = append(in.notes, Note{Kind: noteMissing, Text: fmt.Sprintf(
			"%s of the log %s torn", amount(damaged, "line"), verb(damaged, "is", "are"))})
	}
	return in
}

// ofLog is a record of our own log about a shutdown, which names its trace.
var ofLog = regexp.MustCompile(
	`\bshutdown (?:started|progress|finished)\b.*\btrace_id"?[=:] ?"?([0-9a-f]{32})\b`)

// onlyLog is the error of a log of a shutdown without the shutdown's spans, nil if it
// is none.
func onlyLog(data []byte) error {
	var trace []byte
	for line := range bytes.Lines(data) {
		if m := ofLog.FindSubmatch(line); m != nil {
			trace = m[1]
		}
	}
	if trace == nil {
		return nil
	}
	return fmt.Errorf("a log, in which only a process with GRACETRACE_SPOOL=stderr has its spans. "+
		"Its last shutdown has the trace %s: read that from where traces are", trace)
}

// input is what is read, and what was found in it.
type input struct {
	data    []byte
	reports []*Report
	spans   spanSet
	notes   []Note // about the input
	commas  int
}

// empty says what was found where a shutdown was looked for.
func (in *input) empty() error {
	switch n := len(in.spans.traces); {
	case n > 0:
		return fmt.Errorf("no shutdown in it: of %s none has a span %q of ours, or %q of a group",
			amount(n, "trace"), spanRoot, spanGroup)
	case len(bytes.TrimSpace(in.data)) == 0:
		return errors.New("it is empty")
	}
	return errors.New("no shutdown in it: there are no spans")
}

// values reads one JSON value after another.
func (in *input) values() error {
	for at := 0; ; {
		at += len(in.data[at:]) - len(bytes.TrimLeft(in.data[at:], " \t\r\n"))
		if at == len(in.data) {
			return nil
		}
		end, err := in.objectEnd(at)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return in.torn(at)
		}
		if err == nil {
			err = in.value(at, end)
		}
		if err != nil {
			return err
		}
		at = end
	}
}

// torn is told of a value that has no end. A last line that was being written
// when its writer was killed is left out.
func (in *input) torn(at int) error {
	rest := bytes.TrimRight(in.data[at:], "\r\n")
	if at == 0 || bytes.ContainsRune(rest, '\n') {
		return in.errorAt(at, errors.New("the JSON object that begins here has no end"))
	}
	in.notes = append(in.notes, Note{Kind: noteMissing, Text: fmt.Sprintf(
		"the last line of the file was torn: %s of it were left out", amount(len(rest), "byte"))})
	return nil
}

// objectEnd finds where the object at a place ends, without looking at what is
// in it.
func (in *input) objectEnd(at int) (int, error) {
	if in.data[at] != '{' {
		return 0, in.errorAt(at, fmt.Errorf("want a JSON object, a report or traces, or a log with spans in it, not %q",
			firstWord(in.data[at:])))
	}
	depth := 0
	for i := at; i < len(in.data); i++ {
		switch in.data[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return 0, in.errorAt(i, fmt.Errorf("JSON nested more than %d deep", maxDepth))
			}
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case ',':
			if in.commas++; in.commas > maxCommas {
				return 0, in.errorAt(i, fmt.Errorf("more than %s JSON values", grouped(maxCommas)))
			}
		case '"':
			if i = stringEnd(in.data, i); i < 0 {
				return 0, io.ErrUnexpectedEOF
			}
		}
	}
	return 0, io.ErrUnexpectedEOF
}

// stringEnd returns the place of the quote that ends the string at i, or -1.
func stringEnd(data []byte, i int) int {
	for i++; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

func firstWord(b []byte) string {
	word, _, _ := strings.Cut(string(b[:min(len(b), 20)]), "\n")
	return word
}

// keys are those of an object, without their values.
type keys map[string]skipped

type skipped struct{}

func (*skipped) UnmarshalJSON([]byte) error { return nil }

func (k keys) has(all ...string) bool {
	for _, key := range all {
		if _, ok := k[key]; !ok {
			return false
		}
	}
	return true
}

// value reads one, of whatever format.
func (in *input) value(at, end int) error {
	var k keys
	if err := in.decode(at, end, &k); err != nil {
		return err
	}
	switch {
	case k.has("resourceSpans"), k.has("result"):
		return in.otlp(at, end)
	case k.has("data"), k.has("traceID", "spans"):
		return in.jaeger(at, end)
	case k.has("version", "phases"):
		return in.report(at, end)
	case k.has("error"), k.has("errors"):
		return in.errorAt(at, errors.New("an error that Jaeger answered, no trace"))
	}
	return in.errorAt(at, errors.New(`neither a report ("version", "phases"), nor OTLP `+
		`("resourceSpans"), nor Jaeger's export ("data") or answer ("result")`))
}

func (in *input) report(at, end int) error {
	var r Report
	var v struct {
		Version json.RawMessage `json:"version"`
	}
	if err := in.decode(at, end, &v); err != nil {
		return err
	}
	if string(v.Version) != "1" {
		return in.errorAt(at, fmt.Errorf("a report of version %.20s: this gracetrace reads version 1",
			v.Version))
	}
	if err := in.decode(at, end, &r); err != nil {
		return err
	}
	in.reports = append(in.reports, &r)
	return nil
}

// decode is json.Unmarshal of a part, whose errors tell the place.
func (in *input) decode(at, end int, v any) error {
	err := json.Unmarshal(in.data[at:end], v)
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		at += int(syntax.Offset) - 1
	case errors.As(err, &typ):
		at += int(typ.Offset) - 1
		err = fmt.Errorf("%s: a %s, want a %s", typ.Field, typ.Value, typ.Type.Kind())
	}
	return in.errorAt(max(at, 0), err)
}

// errorAt says where in the input something is wrong.
func (in *input) errorAt(at int, err error) error {
	before := in.data[:min(at, len(in.data))]
	line := bytes.Count(before, []byte("\n")) + 1
	return fmt.Errorf("line %d, column %d: %s", line, at-bytes.LastIndexByte(before, '\n'),
		printable(err.Error())) // which may quote the input
}
