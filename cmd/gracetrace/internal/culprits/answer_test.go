// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// cut is what readAnswer makes of an answer.
func cut(r io.Reader, limit int64) (traces []string, err error) {
	err = readAnswer(r, limit, func(traceID) bool { return false }, func(t trace) error {
		traces = append(traces, string(t.json))
		return nil
	})
	return traces, err
}

const (
	idA = "0af7651916cd43dd8448eb211c80319c"
	idB = "bbf7651916cd43dd8448eb211c80319c"
)

// part is one of resourceSpans.
func part(id, name string) string {
	return fmt.Sprintf(`{"resource":{"a":[{"traceId":"x"}]},"scopeSpans":[{"spans":[{"links":[{"traceId":"%s"}],`+
		`"traceId":"%s" , "name":"%s"},{"traceId":"%[2]s"}]}]}`, idB, id, name)
}

func wrap(parts ...string) string {
	return `{"result":{"resourceSpans":[` + strings.Join(parts, " ,\n") + `]}}`
}

// TestAnswer: an answer is cut into its traces, however its bytes come.
func TestAnswer(t *testing.T) {
	odd := `a\"b\\\", [{\" ]}\\\\`
	for _, tt := range []struct {
		name, answer string
		want         []string
	}{
		{"nothing", `{"result":{}}`, nil},
		{"no spans", `{"result":{"resourceSpans":[{"resource":{}}]}}`, nil},
		{"null parts", `{"other":[1,-2e3,null,{"a":"}"}],"result":{"more":"x","resourceSpans":[]}}`, nil},
		{"one", wrap(part(idA, odd)), []string{part(idA, odd)}},
		{"two", wrap(part(idA, "a"), part(idA, `\\`), part(idB, `\"`)),
			[]string{part(idA, "a") + "," + part(idA, `\\`), part(idB, `\"`)}},
		{"lines", wrap(part(idA, "a")) + "\n" + wrap(part(idB, "b")) + "\n",
			[]string{part(idA, "a"), part(idB, "b")}},
		{"a line more of the same", wrap(part(idA, "a")) + wrap(part(idA, "b")),
			[]string{part(idA, "a") + "," + part(idA, "b")}},
		{"long", wrap(part(idA, strings.Repeat("\\\\", 40_000)+strings.Repeat("é\\\"", 50_000))),
			[]string{part(idA, strings.Repeat("\\\\", 40_000)+strings.Repeat("é\\\"", 50_000))}},
	} {
		for how, r := range map[string]io.Reader{
			"whole": strings.NewReader(tt.answer),
			"bytes": iotest.OneByteReader(strings.NewReader(tt.answer)),
		} {
			got, err := cut(r, maxAnswer)
			if err != nil {
				t.Errorf("%s, %s: %v", tt.name, how, err)
			}
			var want []string
			for _, w := range tt.want {
				want = append(want, otlpStart+w+otlpEnd)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", tt.name, how, diff)
			}
		}
	}
}

// endless repeats.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		c := copy(p[n:], e.text[e.at:])
		n, e.at = n+c, (e.at+c)%len(e.text)
	}
	return n, nil
}

// TestAnswerHostile: whatever is answered, there is an end to it, and an error that is
// safe to print.
func TestAnswerHostile(t *testing.T) {
	spans := `{"result":{"resourceSpans":[`
	ends := func(more string) io.Reader { return strings.NewReader(more) }
	for _, tt := range []struct {
		name  string
		r     io.Reader
		again bool
		want  string
	}{
		{"nothing", ends(""), true, "the answer is empty"},
		{"no result", ends(`{"a":1}`), true, "the answer is empty"},
		{"a page", ends("<!doctype html>"), false, `not what Jaeger answers: want '{', not "<!doctype html>"; is it the URL of Jaeger's query`},
		{"a list", ends(`{"result":[]}`), false, `not what Jaeger answers: want '{', not "[]}"`},
		{"a text", ends(`{"result":{"resourceSpans":"x"}}`), false, `want '[', not "\"x\"}}"`},
		{"control characters", ends("{\"result\":\x1b[31m"), false, `want '{', not "\x1b[31m"`},
		{"torn", ends(spans + part(idA, "a")), true, "the answer ends in the middle"},
		{"torn in a text", ends(spans + `{"a":"`), true, "the answer ends in the middle"},
		{"gone", io.MultiReader(ends(spans), iotest.ErrReader(again{errors.New("gone")})), true, "gone"},
		{"an error", ends(`{"result":{}}{"error":{"httpCode":500,"message":"storage \u001b[31mdown"}}`), true,
			"an error in the answer: storage �[31mdown"},
		{"an error that is a text", ends(`{"error":"x"}`), true, `an error in the answer: {"error":"x"}`},
		{"deep", ends(spans + strings.Repeat(`{"a":`, 200)), false, "JSON nested more than 100 deep"},
		{"endless depth", io.MultiReader(ends(spans), &endless{text: "["}), false, "nested more than 100 deep"},
		{"endless space", &endless{text: " \n"}, false, "the answer is too long"},
		{"an endless text", io.MultiReader(ends(spans+`{"a":"`), &endless{text: "ab\\"}), false, "the answer is too long"},
		{"endless numbers", io.MultiReader(ends(spans+`{"a":[`), &endless{text: "1,"}), false, "the answer is too long"},
		{"endless errors", io.MultiReader(ends(`{"error":[`), &endless{text: "1,"}), false, "the answer is too long"},
		{"no id", ends(wrap(part("x y", "a"))), false, `"x y" is no trace id`},
		{"a long id", ends(wrap(part(strings.Repeat("a", 1000), "a"))), false, "is no trace id"},
		{"a zero id", ends(wrap(part(strings.Repeat("0", 32), "a"))), false, "is no trace id"},
		{"traces in one part", ends(wrap(`{"scopeSpans":[{"spans":[{"traceId":"1"},{"traceId":"2"}]}]}`)), false,
			errMixed.Error()},
		{"mixed parts", ends(wrap(part(idA, "a"), part(idB, "b"), part(idA, "c"))), false, errMixed.Error()},
	} {
		_, err := cut(tt.r, 2<<20)
		once := again{}
		if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &once) != tt.again {
			t.Errorf("%s: %v\nwant %s", tt.name, err, tt.want)
		}
		if err != nil && len(err.Error()) > 2*maxErrorBody {
			t.Errorf("%s: %d bytes of error", tt.name, len(err.Error()))
		}
	}
}

// TestAnswerLarge: a trace that is too large is told of, without what is in it, and the
// others are whole.
func TestAnswerLarge(t *testing.T) {
	big := part(idA, strings.Repeat("x", maxTrace))
	many := part(idA, `a"},{"n":[`+strings.Repeat("{},", maxValues)+`1],"b":"`)
	half := part(idA, strings.Repeat("x", maxTrace*2/3))
	for name, answer := range map[string]string{
		"one part": wrap(big, part(idB, "b")), "values": wrap(many, part(idB, "b")),
		"two parts": wrap(half, half, part(idB, "b")),
	} {
		got, err := cut(strings.NewReader(answer), maxAnswer)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff([]string{"", otlpStart + part(idB, "b") + otlpEnd}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%.500s", name, diff)
		}
	}
}

// FuzzAnswer: of any JSON that encoding/json takes, the parts are cut as it does.
func FuzzAnswer(f *testing.F) {
	f.Add(wrap(part(idA, "a"), part(idA, `\\\"`), part(idB, "b")))
	f.Add(`{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"1","a":[true,null,-1.5e3]}]}]}]}}`)
	f.Add(`{"a":{},"result":{}} {"error":{"message":"x"}}`)
	f.Fuzz(func(t *testing.T, answer string) {
		got, err := cut(strings.NewReader(answer), 1<<20)
		if err != nil || !json.Valid([]byte(answer)) {
			return // there is nothing to compare with
		}
		var v struct {
			Result struct {
				ResourceSpans []json.RawMessage `json:"resourceSpans"`
			} `json:"result"`
		}
		if json.Unmarshal([]byte(answer), &v) != nil {
			return
		}
		total := 0
		for _, text := range got {
			if !json.Valid([]byte(text)) {
				t.Errorf("cut %q out of %q", text, answer)
			}
			total += len(text) - len(otlpStart+otlpEnd)
		}
		if all := len(answer); total > all {
			t.Errorf("%d bytes of %d", total, all)
		}
	})
}

// TestParseID: each form in which ids are written.
func TestParseID(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{idA, idA},
		{"af7651916cd43dd8448eb211c80319c", idA},
		{strings.ToUpper(idA), idA},
		{"CvdlGRbNQ92ESOshHIAxnA==", idA},
		{"1", strings.Repeat("0", 31) + "1"},
		{"", ""}, {"0", ""}, {"xyz", ""}, {idA + "0", ""}, {idA[:30] + "\x00\x01", ""},
	} {
		id, ok := parseID(tt.in)
		if got := id.String(); ok != (tt.want != "") || ok && got != tt.want {
			t.Errorf("%q: %s, %t", tt.in, got, ok)
		}
	}
}
