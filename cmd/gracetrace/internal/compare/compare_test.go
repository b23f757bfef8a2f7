// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/column"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	ms  = tracer.Duration(time.Millisecond)
	sec = tracer.Duration(time.Second)
)

// took is a phase; who holds it, if anybody, is its kind and state.
func took(name tracer.Phase, d tracer.Duration, who ...string) tracer.PhaseReport {
	p := tracer.PhaseReport{Name: name, Duration: d}
	if len(who) > 0 {
		p.Culprit = &tracer.Holder{Kind: tracer.HolderKind(who[0]), State: who[1]}
		p.Culprit.Method = strings.Join(who[2:], "")
	}
	return p
}

func stopped(phases ...tracer.PhaseReport) *tracer.Report {
	r := &tracer.Report{Outcome: tracer.OutcomeGraceful, Phases: phases, Verdict: "v"}
	for _, p := range phases {
		r.Duration += p.Duration
	}
	return r
}

func with(r *tracer.Report, f func(*tracer.Report)) *tracer.Report {
	f(r)
	return r
}

func forced(cut map[string]int) func(*tracer.Report) {
	return func(r *tracer.Report) { r.Outcome, r.RPCsCut = tracer.OutcomeForced, cut }
}

func met(c tracer.Clients) func(*tracer.Report) {
	return func(r *tracer.Report) { r.Clients = c }
}

func accepted(d tracer.Duration) tracer.Clients { return tracer.Clients{LastAccept: &d} }

// TestCompare: what is said of two shutdowns, in its order.
func TestCompare(t *testing.T) {
	watch := []string{"rpc", "in Recv", "a/Watch"}
	linger := []string{"connection", "linger"}
	for _, tt := range []struct {
		name string
		a, b *tracer.Report
		want []string
	}{
		{"the same", stopped(took("conn wait", sec)), stopped(took("conn wait", sec)), nil},
		{"both empty", stopped(), stopped(), nil},
		{
			"at most the floor", stopped(took("conn wait", 10*ms)), stopped(took("conn wait", 110*ms)),
			nil,
		},
		{
			"above the floor", stopped(took("conn wait", 10*ms)), stopped(took("conn wait", 111*ms)),
			[]string{"conn wait took 101ms longer"},
		},
		{
			"at most 10 %", stopped(took("conn wait", 9*sec)), stopped(took("conn wait", 10*sec)), nil,
		},
		{
			"more than 10 %", stopped(took("conn wait", 10*sec)), stopped(took("conn wait", 9*sec-ms)),
			[]string{"conn wait took 1.0s less"},
		},
		{
			"another culprit", stopped(took("conn wait", sec, linger...)),
			stopped(took("conn wait", 9*sec, watch...)),
			[]string{"conn wait took 8.0s longer, held by rpc a/Watch (in Recv) instead of " +
				"connection (linger)"},
		},
		{
			"the same culprit", stopped(took("conn wait", sec, watch...)),
			stopped(took("conn wait", 9*sec, watch...)),
			[]string{"conn wait took 8.0s longer, held by rpc a/Watch (in Recv) as before"},
		},
		{
			"nobody any more", stopped(took("conn wait", 9*sec, watch...)), stopped(took("conn wait", 0)),
			[]string{"conn wait took 9.0s less, no longer held by rpc a/Watch (in Recv)"},
		},
		{
			"as long, another culprit", stopped(took("conn wait", sec, linger...)),
			stopped(took("conn wait", sec, watch...)),
			[]string{"conn wait took as long, held by rpc a/Watch (in Recv) instead of " +
				"connection (linger)"},
		},
		{
			"short, another culprit", stopped(took("conn wait", 90*ms, linger...)),
			stopped(took("conn wait", 90*ms, watch...)), nil,
		},
		{
			"a phase that is new", stopped(took("conn wait", sec)),
			stopped(took("conn wait", sec), took("forced stop", 200*ms, linger...)),
			[]string{"a forced stop of 200ms, held by connection (linger)"},
		},
		{
			"a phase that is gone", stopped(took("conn wait", sec), took("forced stop", 200*ms)),
			stopped(took("conn wait", sec)), []string{"no forced stop, it was 200ms"},
		},
		{
			"the order", stopped(took("quit", sec), took("conn wait", sec, linger...), took("handler wait", 0)),
			with(with(stopped(took("quit", sec), took("conn wait", sec, watch...), took("handler wait", sec)),
				forced(map[string]int{"a/B": 2})), met(accepted(sec/2))),
			[]string{
				"forced instead of graceful", "2 RPCs cut instead of 0: +2 a/B",
				"handler wait took 1.0s longer",
				"conn wait took as long, held by rpc a/Watch (in Recv) instead of connection (linger)",
				"clients were still connecting when the listeners were closed",
			},
		},
		{
			"the longest first", stopped(took("quit", 0), took("conn wait", 9*sec)),
			stopped(took("quit", sec), took("conn wait", sec)),
			[]string{"conn wait took 8.0s less", "quit took 1.0s longer"},
		},
		{
			"RPCs cut", with(stopped(), forced(map[string]int{"a/A": 2, "a/B": 1})),
			with(stopped(), forced(map[string]int{"a/A": 1, "a/C": 1})),
			[]string{"2 RPCs cut instead of 3: -1 a/A, -1 a/B, +1 a/C"},
		},
		{
			"clients", with(stopped(), met(tracer.Clients{Refused: 3, LateStreams: 10, Unserved: 1})),
			with(stopped(), met(tracer.Clients{Refused: 7, LateStreams: 20, LateConnections: 1})),
			[]string{
				"7 connections refused instead of 3", "1 connection accepted after the call instead of 0",
				"0 connections closed unserved instead of 1",
			},
		},
		{
			"clients that were told", with(stopped(), met(accepted(sec/2))),
			with(stopped(), met(accepted(sec))),
			[]string{"no longer: clients were still connecting when the listeners were closed"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, change := range Compare(tt.a, tt.b).Changes {
				got = append(got, change.Text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestPhases: the rows of the table are those of both, in their order.
func TestPhases(t *testing.T) {
	a := stopped(took("quit", ms), took("GOAWAY", ms), took("conn wait", ms))
	b := stopped(took("quit", ms), took("conn wait", ms), took("forced stop", ms), took("handler wait", ms))
	var got []string
	for _, p := range Compare(a, b).Phases {
		got = append(got, string(p.Name)+" "+cell(p.A)+" "+cell(p.B))
	}
	want := []string{
		"quit 1.0ms 1.0ms", "GOAWAY 1.0ms -", "conn wait 1.0ms 1.0ms", "forced stop - 1.0ms",
		"handler wait - 1.0ms",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

//nolint:dupword // the heads of two columns
const wantText = `A: greeter, 2026-01-02 03:04:05 UTC, graceful, 1.0s
B: greeter, 2026-01-02 03:04:05 UTC, graceful, 9.0s, trace
   0af7651916cd43dd8448eb211c80319c

B is slower: it took 9.0s, 8.0s longer than A's 1.0s.
- conn wait took 8.0s longer, held by rpc greeter.v1.Greeter/Watch (in Recv)
  instead of connection (linger)

phase                    A         B     B - A
quit                 1.0ms     2.0ms         ~
conn wait            999ms      9.0s     +8.0s
all                   1.0s      9.0s     +8.0s
~ is noise: a difference of at most 100ms or 10 % of the longer.

verdict A: v
verdict B: v
`

func TestWriteText(t *testing.T) {
	named := func(r *tracer.Report) {
		r.Service, r.Start = "greeter", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	a := with(stopped(took("quit", ms), took("conn wait", 999*ms, "connection", "linger")), named)
	b := with(stopped(took("quit", 2*ms),
		took("conn wait", 8998*ms, "rpc", "in Recv", "greeter.v1.Greeter/Watch")), named)
	b.TraceID = "0af7651916cd43dd8448eb211c80319c"
	for _, tt := range []struct {
		a, b *tracer.Report
		want string // the sentence above the changes
	}{
		{a, b, "B is slower: it took 9.0s, 8.0s longer than A's 1.0s."},
		{b, a, "B is faster: it took 1.0s, 8.0s less than A's 9.0s."},
		{a, a, "No relevant difference: B took 1.0s, A 1.0s."},
		{a, with(stopped(a.Phases...), forced(nil)), "B took as long as A, 1.0s and 1.0s, but:"},
	} {
		text := written(t, Compare(tt.a, tt.b))
		if !strings.Contains(text, "\n"+tt.want+"\n") {
			t.Errorf("want %q in:\n%s", tt.want, text)
		}
	}
	if diff := cmp.Diff(wantText, written(t, Compare(a, b))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func written(t *testing.T, c *Comparison) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if n := column.Width(line); n > textWidth {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	return b.String()
}

func TestWriteJSON(t *testing.T) {
	c := Compare(stopped(took("conn wait", sec)), stopped(took("conn wait", 9*sec, "rpc", "in Recv", "a/B")))
	var b bytes.Buffer
	if err := c.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Difference int `json:"difference_us"`
		Changes    []struct {
			Kind  string `json:"kind"`
			Phase string `json:"phase"`
			B     struct {
				Method string `json:"method"`
			} `json:"b_culprit"`
		} `json:"changes"`
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Difference != 8e6 || len(got.Changes) != 1 || got.Changes[0].Kind != "phase" ||
		got.Changes[0].Phase != "conn wait" || got.Changes[0].B.Method != "a/B" {
		t.Errorf("%+v in\n%s", got, &b)
	}
}
