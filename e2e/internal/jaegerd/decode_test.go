// SPDX-License-Identifier: Apache-2.0

package jaegerd

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDecode(t *testing.T) {
	// Two chunks, two traces; a link inside the trace and one out of it; times
	// that the UI cuts: 1999 ns + 2002 ns starts at 1 and lasts 2.
	const answer = `{"result":{"resourceSpans":[{
	  "resource":{"attributes":[{"key":"service.name","value":{"stringValue":"greeter"}}]},
	  "scopeSpans":[{"scope":{"name":"tracer"},"spans":[{
	    "traceId":"aa","spanId":"01","name":"root","kind":1,
	    "startTimeUnixNano":"1999","endTimeUnixNano":"4001","status":{"code":2},
	    "attributes":[
	      {"key":"n","value":{"intValue":"5"}},{"key":"f","value":{"doubleValue":1.5}},
	      {"key":"b","value":{"boolValue":false}},
	      {"key":"a","value":{"arrayValue":{"values":[{"stringValue":"x"}]}}}],
	    "links":[{"traceId":"aa","spanId":"02"},{"traceId":"cc","spanId":"03"}]}]}]}]}}
	{"result":{"resourceSpans":[{"scopeSpans":[{"spans":[
	    {"traceId":"bb","spanId":"04","name":"other",
	     "startTimeUnixNano":"5000","endTimeUnixNano":"6000"},
	    {"traceId":"aa","spanId":"02","parentSpanId":"01","name":"child",
	     "startTimeUnixNano":"2000","endTimeUnixNano":"3000"}]}]}]}}`
	got, err := decode([]byte(answer))
	if err != nil {
		t.Fatal(err)
	}
	none := map[string]any{}
	want := [][]*timeline.Span{{{
		Trace: "aa", ID: "01", Service: "greeter", Scope: "tracer", Name: "root", Kind: 1, Error: true,
		Start: 1, End: 3, Links: []string{"02"}, Foreign: []timeline.Link{{Trace: "cc", Span: "03"}},
		Attributes: map[string]any{"n": int64(5), "f": 1.5, "b": false, "a": []any{"x"}},
		Resource:   map[string]any{"service.name": "greeter"},
	}, {
		Trace: "aa", ID: "02", Parent: "01", Name: "child", Start: 2, End: 3,
		Attributes: none, Resource: none,
	}}, {{
		Trace: "bb", ID: "04", Name: "other", Start: 5, End: 6, Attributes: none, Resource: none,
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decode (-want +got):\n%s", diff)
	}
	if _, err := decode([]byte(`{"result":`)); err == nil {
		t.Error("no error for half an answer")
	}
}
