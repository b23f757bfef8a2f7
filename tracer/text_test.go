// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/column"
)

// TestWriteText is the timeline of the design: a silent peer, a mute one, a
// stream in Recv, a forced stop and a handler that ignores its context.
func TestWriteText(t *testing.T) {
	tl := returnedAt(25*sec, listener(12*us, 97*us, 97*us),
		raw(settledAt(3*sec), closedAt(3*sec)),
		conn(goAwayAt(3*sec+400*us), finalAt(8*sec), goneAt(9*sec)),
		conn(told(3*sec+300*us), goneAt(24*sec)), stream(-3*time.Hour, 24*sec, inRecv(24*sec)),
		func(tl *timeline) { tl.conns[2].agent = "grpc-java/1.70" },
		unary(-sec, 25*sec),
		forcedAt(24*sec-900*us))
	want, err := os.ReadFile("testdata/timeline.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text(t, tl.report(tl.views(), call))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHandlersNote says of handlers that were left behind how many there were
// and how many there are.
func TestHandlersNote(t *testing.T) {
	for want, ends := range map[string][]time.Duration{
		"still lasts, 2 handlers":  {never, never},
		"3 handlers, 1 still runs": {6 * sec, 7 * sec, never},
		"3 handlers, 2 still run":  {6 * sec, never, never},
		"still lasts, 1 handler":   {never},
		"2 handlers, 0 still run":  {6 * sec, 7 * sec},
		"still lasts":              nil,
	} {
		changes := []change{oneListener, conn(told(0), goneAt(5*sec)), forcedAt(5 * sec), givenUp}
		for _, end := range ends {
			changes = append(changes, unary(0, end))
		}
		tl := unfinishedAt(9*sec, changes...)
		if got := text(t, tl.report(tl.views(), call)); !strings.Contains(got, "  "+want+"\n") {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

// TestCutMethods: the first three, by how many RPCs of them were cut.
func TestCutMethods(t *testing.T) {
	for want, cut := range map[string]map[string]int{
		"a":                  {"a": 1},
		"b, a":               {"a": 1, "b": 2},
		"a, b, c":            {"c": 1, "a": 1, "b": 1},
		"d, a, b and 1 more": {"c": 1, "a": 1, "b": 1, "d": 9},
		"e, d, a and 2 more": {"c": 1, "a": 1, "b": 1, "d": 8, "e": 9},
	} {
		if got := cutMethods(cut); got != want {
			t.Errorf("of %v %q is named, want %q", cut, got, want)
		}
	}
}

func text(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestBar draws in a column of 16 characters, in eighths of one.
func TestBar(t *testing.T) {
	for _, tt := range []struct {
		start, length, total time.Duration
		want                 string
	}{
		{0, 16, 16, "████████████████"},
		{0, 8, 16, "████████        "},
		{8, 8, 16, "        ████████"},
		{3, 1, 16, "   █            "},
		{0, 0, 16, "▏               "},
		{16, 0, 16, "               ▏"},
		{15, 9, 16, "               █"},
		{-9, 10, 16, "█               "},
		{99, 9, 16, "               ▏"},
		{0, 0, 0, "                "},
		{5, 9, 0, "                "},
		{0, 3 * sec, 32 * sec, "█▌              "},
		{3, -2, 16, "   ▏            "},
		{never, never, 16, "               ▏"},
		{-never, never, 1, "▏               "},
	} {
		tl := &textReport{total: tt.total}
		if got := tl.bar(tt.start, tt.length); got != tt.want {
			t.Errorf("from %d, %d long, of %d: %q, want %q", tt.start, tt.length, tt.total, got, tt.want)
		}
	}
}

// everything is a report with something in every section.
func everything() *Report {
	tl := busy()
	r := tl.report(tl.views(), call)
	r.Verdict = "handler wait took 7.0s of 15.0s: handler greeter.v1.Greeter/SayHello " +
		"from 10.0.0.3:40003, open 15.0s, returned 7.0s after its ctx was cancelled"
	before := Duration(80 * ms)
	r.RPCsCut = map[string]int{"greeter.v1.Greeter/Chat": 2, "greeter.v1.Greeter/Watch": 1}
	r.Clients = Clients{
		LastAccept: &before, Refused: 50, LateConnections: 3, Unserved: 2, LateStreams: 1,
		Window: Duration(5 * sec),
	}
	r.Notes = []Note{
		{Kind: "remedy", Text: "close the stream when the server drains", Ref: "https://github.com/grpc/grpc-go/issues/1355"},
		{Text: "a note without a kind"},
		{Text: "a long address", Ref: "https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/"},
	}
	for _, at := range []time.Duration{sec, 3 * sec, 6 * sec, 11 * sec} {
		who := "handshake from 10.0.0.1:40001 has not finished"
		if at > sec {
			who = "rpc greeter.v1.Greeter/Chat from 10.0.0.2:40002, no deadline"
		}
		r.Checkpoints = append(r.Checkpoints, Checkpoint{
			Offset: Duration(at), Phase: PhaseConnWait,
			Verdict: "conn wait for " + Duration(at).String() + " so far: " + who,
		})
	}
	r.Stacks = []Stack{
		{Offset: Duration(3 * sec), Method: "greeter.v1.Greeter/Chat", Function: "greeter.(*server).Chat", Source: "greeter.go:88", Handlers: 2, Text: "frames"},
		{Offset: Duration(9 * sec), Handlers: 1},
	}
	r.Spans = SpanCount{Sent: 20, Pending: 5, Lost: map[string]int{"timeout": 3, "queue full": 1}}
	return r
}

// TestSections: what there is to tell below the verdict. Where there is nothing,
// there is no heading.
func TestSections(t *testing.T) {
	_, below, _ := strings.Cut(text(t, everything()), "\nverdict: ")
	want := `handler wait took 7.0s of 15.0s: handler greeter.v1.Greeter/SayHello
         from 10.0.0.3:40003, open 15.0s, returned 7.0s after its ctx was
         cancelled
clients: 3 RPCs cut: 2 greeter.v1.Greeter/Chat, 1 greeter.v1.Greeter/Watch
         50 connections refused in the network namespace after the call
         3 connections accepted after the call, 2 of them closed unserved
         1 RPC opened after the call, up to 5.0s between a connection's
           GOAWAYs
         the last connection was accepted 80ms before the listeners were
           closed
notes:   remedy: close the stream when the server drains
           (https://github.com/grpc/grpc-go/issues/1355)
         a note without a kind
         a long address
        (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/)
story:   at 1.0s: conn wait for 1.0s so far: handshake from 10.0.0.1:40001 has
           not finished
         at 3.0s: conn wait for 3.0s so far: rpc greeter.v1.Greeter/Chat from
           10.0.0.2:40002, no deadline
         until 11.0s: the same
stacks:  at 3.0s: 2 handlers of greeter.v1.Greeter/Chat in
           greeter.(*server).Chat at greeter.go:88
         at 9.0s: 1 goroutine
spans:   20 sent, 5 pending, 4 lost (1 queue full, 3 timeout)
`
	if diff := cmp.Diff(want, below); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, want := text(t, &Report{}), 2; strings.Count(got, "\n") != want {
		t.Errorf("an empty report has %d lines, want %d:\n%s", strings.Count(got, "\n"), want, got)
	}
}

// TestTextWidth: whatever a report says, it fits 80 columns and does nothing to
// a terminal. It may have been read from a file.
func TestTextWidth(t *testing.T) {
	odd := &Report{Phases: []PhaseReport{{
		Name: "a phase with a name that is much longer than its column", Offset: -5, Duration: -7,
		Bars: []Bar{{Name: "ü", Offset: 1 << 60, Duration: 1 << 60, Note: "note", Culprit: true}},
	}}, Duration: 9}
	reports := map[string]*Report{
		"empty": {}, "odd": odd, "busy": busy().report(busy().views(), call), "all": everything(),
		"wide": hostileReport(strings.Repeat("ＡＢ", 99)), "marks": hostileReport("e\u0301é"),
	}
	for name, text := range hostile {
		reports[name] = hostileReport(text)
	}
	for name, r := range reports {
		for line := range strings.SplitSeq(text(t, r), "\n") {
			if n := column.Width(line); n > textWidth {
				t.Errorf("%s: %d columns: %q", name, n, line)
			}
			if d := dirt(line); d != "" || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %s or spaces at the end of %q", name, d, line)
			}
		}
	}
}

// hostileReport says s wherever a report says something.
func hostileReport(s string) *Report {
	deep := []Bar{{Name: s, Note: s}}
	for range 50 {
		deep = []Bar{{Name: s, Note: s, Bars: deep}, {Name: s, Note: s}}
	}
	return &Report{
		Outcome: Outcome(s), Verdict: s, RPCsCut: map[string]int{s: 1, s + s: 1},
		Phases: []PhaseReport{{Name: Phase(s), Bars: deep}, {Name: Phase(s)}},
		Notes:  []Note{{Kind: s, Text: s, Ref: s}}, Checkpoints: []Checkpoint{{Verdict: s}},
		Stacks: []Stack{{Method: s, Function: s, Source: s}},
		Spans:  SpanCount{Lost: map[string]int{s: 1}}, Duration: Duration(sec),
	}
}

// TestColour: only on a terminal, unless the user does not want it. What is told
// is the same.
func TestColour(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Create(filepath.Join(t.TempDir(), "report.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if !colourful(null) { // a character device, as a terminal is
		t.Error("no colour on a character device")
	}
	for name, w := range map[string]io.Writer{"a buffer": &bytes.Buffer{}, "a file": file} {
		if colourful(w) {
			t.Errorf("colour in %s", name)
		}
	}
	for key, v := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		t.Run(key, func(t *testing.T) {
			t.Setenv(key, v)
			if colourful(null) {
				t.Errorf("colour with %s=%s", key, v)
			}
		})
	}
	plain, coloured := &textReport{}, &textReport{paint: true}
	r := everything()
	r.Phases[5].Bars[0].Culprit = true
	plain.timeline(r)
	coloured.timeline(r)
	if !strings.Contains(coloured.b.String(), "\x1b[1;31m") {
		t.Error("the culprit is not coloured")
	}
	bare := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(coloured.b.String(), "")
	bare = regexp.MustCompile(" +\n").ReplaceAllString(bare, "\n")
	if diff := cmp.Diff(plain.b.String(), bare); diff != "" {
		t.Errorf("colour changes what is told (-plain +coloured):\n%s", diff)
	}
	if !strings.Contains(plain.b.String(), culpritMark) {
		t.Error("without colour the culprit is not marked")
	}
}
