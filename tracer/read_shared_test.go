// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"testing"
)

// sharedSpan is one of a trace that several processes have sent to.
type sharedSpan struct {
	id, parent, name string
	start, end       int64 // in µs
	attrs            string
}

// sharedTrace is the spans by process, as OTLP JSON.
func sharedTrace(processes map[string][]sharedSpan) string {
	var parts []string
	for process, spans := range processes {
		var list []string
		for _, s := range spans {
			var attrs []string
			for kv := range strings.FieldsSeq(s.attrs) {
				key, value, _ := strings.Cut(kv, "=")
				attrs = append(attrs, fmt.Sprintf(`{"key":%q,"value":{"stringValue":%q}}`, key,
					strings.ReplaceAll(value, "_", " ")))
			}
			list = append(list, fmt.Sprintf(`{"traceId":"%032x","spanId":"%016s","parentSpanId":"%016s","name":%q,`+
				`"startTimeUnixNano":"%d000","endTimeUnixNano":"%d000","attributes":[%s]}`,
				1, s.id, s.parent, s.name, s.start, s.end, strings.Join(attrs, ",")))
		}
		parts = append(parts, fmt.Sprintf(`{"resource":{"attributes":[`+
			`{"key":"service.name","value":{"stringValue":"greeter"}},`+
			`{"key":"service.instance.id","value":{"stringValue":%q}}]},"scopeSpans":[{"spans":[%s]}]}`,
			process, strings.Join(list, ",")))
	}
	return `{"resourceSpans":[` + strings.Join(parts, ",") + `]}`
}

// TestReadShared: with WithParent all processes of a rollout may be in one trace. What
// one of them says is not taken for another's.
func TestReadShared(t *testing.T) {
	const sec = int64(1_000_000)
	base := 1_790_000_000 * sec
	killed := func(id string, at int64) []sharedSpan {
		return []sharedSpan{
			{id + "1", "f", spanStarted, at + 1, at + 2, "shutdown.source=call"},
			{id + "2", id + "9", "quit", at + 1, at + 20, "shutdown.phase=quit shutdown.end.rpcs=" + id},
			{id + "3", id + "1", "checkpoint conn wait", at + 2, at + sec, "shutdown.phase=conn_wait"},
			{id + "4", id + "8", "rpc " + id, at + 30, at + sec/2,
				"shutdown.phase=conn_wait shutdown.holder.kind=rpc rpc.method=" + id},
		}
	}
	// The first came to the end; what it said at first was lost.
	finished := []sharedSpan{{"a9", "f", spanRoot, base, base + 600*sec, "shutdown.outcome=graceful"}}
	rs, err := ReadReports(strings.NewReader(sharedTrace(map[string][]sharedSpan{
		"pod-a": finished, "pod-b": killed("b", base+3), "pod-c": killed("c", base+4),
	})))
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 3 || rs[0].Outcome != OutcomeGraceful {
		t.Fatalf("%d shutdowns, the first %+v", len(rs), rs[0])
	}
	for i, id := range []string{"b", "c"} {
		r := rs[i+1]
		if r.Outcome != OutcomeKilled || r.Duration.String() != "1.0s" {
			t.Errorf("%s: %s after %s, want killed after 1.0s", id, r.Outcome, r.Duration)
		}
		if len(r.Phases) != 2 || r.Phases[0].Offset != Duration(1000) || len(r.Phases[1].Bars) != 1 ||
			r.Phases[1].Bars[0].Name != "rpc "+id {
			t.Errorf("%s: it has what is another's: %+v", id, r.Phases)
		}
	}
}
