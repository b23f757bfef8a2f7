// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
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

// TestBar draws in a column of 24 characters, in eighths of one.
func TestBar(t *testing.T) {
	for _, tt := range []struct {
		start, length, total time.Duration
		want                 string
	}{
		{0, 24, 24, "████████████████████████"},
		{0, 12, 24, "████████████            "},
		{12, 12, 24, "            ████████████"},
		{3, 1, 24, "   █                    "},
		{0, 0, 24, "▏                       "},
		{24, 0, 24, "                       ▏"},
		{23, 9, 24, "                       █"},
		{-9, 10, 24, "█                       "},
		{99, 9, 24, "                       ▏"},
		{0, 0, 0, "                        "},
		{5, 9, 0, "                        "},
		{0, 3 * sec, 48 * sec, "█▌                      "},
	} {
		tl := &textTimeline{total: tt.total}
		if got := tl.bar(tt.start, tt.length); got != tt.want {
			t.Errorf("from %d, %d long, of %d: %q, want %q", tt.start, tt.length, tt.total, got, tt.want)
		}
	}
}

// TestTextColumns: whatever a report says, its columns line up, and numbers that
// make no sense (it may have been read from a file) do no harm.
func TestTextColumns(t *testing.T) {
	odd := &Report{Phases: []PhaseReport{{
		Name: "a phase with a name that is much longer than its column", Offset: -5, Duration: -7,
		Bars: []Bar{{Name: "ü", Offset: 1 << 60, Duration: 1 << 60, Note: "note"}},
	}}, Duration: 9}
	for name, r := range map[string]*Report{
		"empty": {}, "odd": odd, "busy": busy().report(busy().views(), call),
	} {
		for line := range strings.SplitSeq(text(t, r), "\n") {
			if line == "" || strings.HasPrefix(line, "verdict") {
				continue
			}
			r := []rune(line)
			if len(r) <= nameColumn || r[nameColumn] != ' ' {
				t.Errorf("%s: the name of %q is not in its column", name, line)
			}
			if !utf8.ValidString(line) || strings.TrimRight(line, " ") != line {
				t.Errorf("%s: %q has spaces at its end or is not UTF-8", name, line)
			}
		}
	}
}
