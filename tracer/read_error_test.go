// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/internal/column"
	"github.com/gracetrace/gracetrace/internal/spanjson"
)

// TestReadErrors: each says where, and what was expected.
func TestReadErrors(t *testing.T) {
	for _, tt := range []struct{ name, input, want string }{
		{"nothing", " \n", "it is empty"},
		{"text", "hello\n", `line 1, column 1: want a JSON object, a report or traces, or a log with spans in it, not "hello"`},
		{"an array", "\n [1]", `line 2, column 2: want a JSON object, a report or traces, or a log with spans in it, not "[1]"`},
		{
			"a log", "level=INFO msg=\"shutdown started\" trace_id=" + strings.Repeat("a", 32) +
				"\nlevel=INFO msg=\"shutdown finished\" trace_id=" + strings.Repeat("b", 32) + "\nbye\n",
			"a log, in which only a process with GRACETRACE_SPOOL=stderr has its spans. Its last " +
				"shutdown has the trace " + strings.Repeat("b", 32) + ": read that from where traces are",
		},
		{
			"a log of JSON", `{"level":"INFO","msg":"shutdown started","trace_id":"` + strings.Repeat("a", 32) + `"}`,
			"a log, in which only a process with GRACETRACE_SPOOL=stderr has its spans. Its last " +
				"shutdown has the trace " + strings.Repeat("a", 32) + ": read that from where traces are",
		},
		{"another object", `{"a":1}`, `line 1, column 1: neither a report ("version", "phases"), nor ` +
			`OTLP ("resourceSpans"), nor Jaeger's export ("data") or answer ("result")`},
		{"no end", "{\n \"version\": 1,\n", "line 1, column 1: the JSON object that begins here has no end"},
		{"no JSON", "{\n \"version\": 1,\n}", "line 3, column 1: invalid character '}' " +
			"looking for beginning of object key string"},
		{"another version", `{"version": 2, "phases": []}`,
			"line 1, column 1: a report of version 2: this gracetrace reads version 1"},
		{"a version that is none", `{"version": "v1", "phases": []}`,
			`line 1, column 1: a report of version "v1": this gracetrace reads version 1`},
		{"a wrong type", "{\"version\": 1,\n\"phases\": 7}",
			"line 2, column 11: phases: a number, want a slice"},
		{"a wrong duration", `{"version": 1, "phases": [], "duration_us": "9s"}`,
			`line 1, column 1: duration in microseconds: "\"9s\"" is not a whole number`},
		{"deep", strings.Repeat(`{"a":`, 101), "line 1, column 501: JSON nested more than 100 deep"},
		{"many empty values", `{"version": 1, "phases": [` + strings.Repeat("0,", maxCommas) + `0]}`,
			"line 1, column 8000026: more than 4,000,000 JSON values"},
		{"no spans", `{"resourceSpans":[]}`, "no shutdown in it: there are no spans"},
		{"other spans", `{"data":[{"traceID":"1","spans":[{"traceID":"1","spanID":"2"}]}]}`,
			`no shutdown in it: of 1 trace none has a span "grpc.server.shutdown" of ours, or ` +
				`"shutdown" of a group`},
		{"Jaeger's error", `{"data":null,"errors":[{"code":404,"msg":"trace not found"}]}`,
			`line 1, column 1: an error that Jaeger answered, no trace: "trace not found"`},
		{"its API's error", `{"error":{"httpCode":404,"message":"No traces found"}}`,
			"line 1, column 1: an error that Jaeger answered, no trace"},
		{"a wrong time", `{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"now"}]}]}]}`,
			`line 1, column 1: "now" is not a whole number of 64 bits`},
		{"a wrong tag", `{"data":[{"spans":[{"spanID":"ab","tags":[{"key":"k","type":"int64","value":"x"}]}]}]}`,
			`line 1, column 1: span "ab", tag "k": "x" is not a whole number of 64 bits`},
	} {
		rs, err := ReadReports(strings.NewReader(tt.input))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: %d reports, %v\nwant %s", tt.name, len(rs), err, tt.want)
		}
	}
	if _, err := ReadReports(iotest.ErrReader(errors.New("gone"))); err == nil || err.Error() != "gone" {
		t.Errorf("a reader's error is %v", err)
	}
	endless := iotest.DataErrReader(zeros{})
	if _, err := readReports(endless, 1<<20); err == nil || err.Error() != "more than 1 MiB" {
		t.Errorf("an endless input: %v", err)
	}
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// TestReadTorn: a last line that was being written is left out, and the report
// says so.
func TestReadTorn(t *testing.T) {
	_, spans := reported(t, busy(), Call{Graceful: true})
	whole := formats["OTLP lines"](service, spans)
	cut := bytes.LastIndexByte(whole[:len(whole)-1], '\n') + 1 // of spans[0]
	want := read(t, whole[:cut])
	for _, end := range []int{cut + 1, cut + 9, len(whole) - 2} {
		got := read(t, whole[:end])
		n := len(got.Notes)
		if n == 0 || !strings.HasPrefix(got.Notes[n-1].Text, "the last line of the file was torn: ") {
			t.Fatalf("torn after %d bytes: the notes do not say so: %v", end-cut, got.Notes)
		}
		got.Notes = got.Notes[:n-1]
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("torn after %d bytes (-without the line +got):\n%s", end-cut, diff)
		}
	}
}

// TestReadIDs: the same ids in each form that they are written in.
func TestReadIDs(t *testing.T) {
	for _, tt := range []struct {
		id   string
		size int
		want string
	}{
		{"0af7651916cd43dd8448eb211c80319c", 16, "0af7651916cd43dd8448eb211c80319c"},
		{"0AF7651916CD43DD8448EB211C80319C", 16, "0af7651916cd43dd8448eb211c80319c"},
		{"af7651916cd43dd8448eb211c80319c", 16, "0af7651916cd43dd8448eb211c80319c"},
		{"CvdlGRbNQ92ESOshHIAxnA==", 16, "0af7651916cd43dd8448eb211c80319c"},
		{"AAAAAAAAAAE=", 8, "0000000000000001"},
		{"1", 8, "0000000000000001"},
		{"0000000000000000", 8, ""},
		{"", 8, ""},
		{"my id", 8, "my id"},
	} {
		if got := spanIDText(tt.id, tt.size); got != tt.want {
			t.Errorf("%q is %q, want %q", tt.id, got, tt.want)
		}
	}
}

// TestReadCycle: spans that are their own ancestors end nothing.
func TestReadCycle(t *testing.T) {
	_, spans := reported(t, busy(), Call{Graceful: true})
	data := string(spanjson.OTLP(service, spans))
	root := theSpan(t, spans, spanRoot).SpanContext().SpanID().String()
	rpc := theSpan(t, spans, "rpc Greeter/Chat").SpanContext().SpanID().String()
	data = strings.Replace(data, `"spanId":"`+root+`"`, `"parentSpanId":"`+rpc+`","spanId":"`+root+`"`, 1)
	if r := read(t, []byte(data)); len(r.Phases) != 6 {
		t.Errorf("%d phases", len(r.Phases))
	}
}

// TestReadHostile: what is read is safe to show, in each format.
func TestReadHostile(t *testing.T) {
	for name, s := range hostile {
		var b bytes.Buffer
		evil := hostileReport(s)
		evil.Version, evil.Service, evil.JaegerURL = 1, s, s
		evil.Phases[1].Culprit = &Holder{Kind: HolderKind(s), Method: s, Peer: s, Detail: s}
		evil.Phases[0].Bars = evil.Phases[0].Bars[1:] // the deep ones are refused
		if err := evil.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
		safe(t, name, read(t, b.Bytes()))
	}
}

// safe looks at all that a report that was read says.
func safe(t *testing.T, name string, r *Report) {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if d := dirt(line); d != "" || column.Width(line) > textWidth {
			t.Errorf("%s: %s, %d columns in %q", name, d, column.Width(line), line)
		}
	}
	b.Reset()
	if err := r.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if d := dirt(line); d != "" {
			t.Errorf("%s: %s in %q", name, d, line)
		}
	}
	again, err := ReadReports(&b)
	if err != nil {
		t.Fatalf("%s: reading what was written: %v", name, err)
	}
	if diff := cmp.Diff([]*Report{r}, again, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-written +read again):\n%s", name, diff)
	}
}

// FuzzReadReports: whatever is read, nothing breaks, and what comes of it is
// safe to show and reads as the same again.
func FuzzReadReports(f *testing.F) {
	// Small ones: the fuzzer minimizes what it finds for up to a minute.
	spans := record(f, func(s *spans) {
		s.begin(Call{Graceful: true})
		s.emit(s.root, trace.SpanID{}, spanRoot, bounds{0, sec}, []attr{
			{keyOutcome, "graceful"}, {keyRPCsCut, 2}, {keyRPCsCut + ".a/B", 1},
			{keyNotes, []string{"remedy: none (https://a.b)"}}, {keyLastAccept, -0.5},
		})
		s.emit(newSpanID(), s.root, "quit", bounds{0, sec}, []attr{{keyPhase, "quit"}})
	})
	for _, write := range formats {
		f.Add(write(service, spans))
		f.Add(write(service, spans[:1]))
	}
	f.Add([]byte(`{"version":1,"phases":[{"name":"quit","bars":[{"name":"b","stack":1}]}],` +
		`"stacks":[{"text":"a\n\tb"}],"rpcs_cut":{"a":1},"notes":[{"kind":"k"}]}`))
	f.Add([]byte(`{"resourceSpans":[`))
	f.Add([]byte(`{"version":1,"phases":[],"stacks":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		rs, err := ReadReports(bytes.NewReader(data))
		if err != nil {
			if d := dirt(err.Error()); d != "" {
				t.Errorf("%s in the error %q", d, err)
			}
			return
		}
		for _, r := range rs {
			safe(t, "fuzzed", r)
		}
	})
}
