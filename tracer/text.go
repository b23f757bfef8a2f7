// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Widths of the columns of the text timeline.
const (
	nameColumn = 30
	timeColumn = 8
	barColumn  = 24
)

// WriteText writes the report as a timeline with bars, followed by the verdict.
func (r *Report) WriteText(w io.Writer) error {
	t := &textTimeline{total: time.Duration(r.Duration)}
	note := string(r.Outcome)
	if n := cutTotal(r.RPCsCut); n > 0 {
		note = fmt.Sprintf("%s, cut %d %s: %s", note, n, plural(n, "RPC"), cutMethods(r.RPCsCut))
	}
	t.line("", "grpc.server.shutdown", 0, time.Duration(r.Duration), note)
	for i := range r.Phases {
		t.phase(&r.Phases[i], i == len(r.Phases)-1)
	}
	fmt.Fprintf(&t.b, "\nverdict: %s\n", r.Verdict)
	_, err := io.WriteString(w, t.b.String())
	return err
}

type textTimeline struct {
	b     strings.Builder
	total time.Duration
}

func (t *textTimeline) phase(p *PhaseReport, last bool) {
	var notes []string
	some := p.Name == PhaseHandlerWait && p.LeftAtEnd.Handlers < p.LeftAtStart.Handlers
	if p.Open && !some {
		notes = append(notes, "still lasts")
	}
	switch n := p.LeftAtStart; p.Name {
	case PhaseHandshakeWait:
		notes = counted(notes, n.Handshakes, "handshake")
	case PhaseGoAway, PhaseConnWait:
		notes = counted(notes, n.Connections, "connection")
	case PhaseHandlerWait:
		notes = counted(notes, n.Handlers, "handler")
		if left := p.LeftAtEnd.Handlers; p.Open && some {
			notes = append(notes, fmt.Sprintf("%d still %s", left, verb(left, "runs", "run")))
		}
	}
	tee, below := "├ ", "│ "
	if last {
		tee, below = "└ ", "  "
	}
	t.line(tee, string(p.Name), time.Duration(p.Offset), time.Duration(p.Duration),
		strings.Join(notes, ", "))
	t.bars(p.Bars, below)
}

func (t *textTimeline) bars(bars []Bar, indent string) {
	for i, b := range bars {
		tee, below := "├ ", "│ "
		if i == len(bars)-1 {
			tee, below = "└ ", "  "
		}
		t.line(indent+tee, b.Name, time.Duration(b.Offset), time.Duration(b.Duration), b.Note)
		t.bars(b.Bars, indent+below)
	}
}

// line writes one line. The bar is drawn in eighths of a character's width.
func (t *textTimeline) line(indent, name string, start, length time.Duration, note string) {
	label := indent + name
	if n := utf8.RuneCountInString(label); n > nameColumn {
		r := []rune(label)
		label = string(r[:nameColumn-1]) + "…"
	}
	line := fmt.Sprintf("%s%s %*s  %s  %s", label,
		strings.Repeat(" ", nameColumn-utf8.RuneCountInString(label)),
		timeColumn, Duration(length), t.bar(start, length), note)
	t.b.WriteString(strings.TrimRight(line, " "))
	t.b.WriteByte('\n')
}

var eighths = []rune(" ▏▎▍▌▋▊▉█")

func (t *textTimeline) bar(start, length time.Duration) string {
	cells := []rune(strings.Repeat(" ", barColumn))
	if t.total <= 0 {
		return string(cells)
	}
	at := func(d time.Duration) int {
		return int(float64(d) / float64(t.total) * barColumn * 8)
	}
	from := max(0, min(at(start), barColumn*8-1))
	to := min(at(start+length), barColumn*8)
	// A part cell can only be filled from its left: the bar starts at a whole.
	first := from / 8
	cells[first] = eighths[1]
	for i := first; i < barColumn && i*8 < to && to > from+1; i++ {
		cells[i] = eighths[min(8, to-i*8)]
	}
	return string(cells)
}

func counted(notes []string, n int, what string) []string {
	if n == 0 {
		return notes
	}
	return append(notes, fmt.Sprintf("%d %s", n, plural(n, what)))
}

func plural(n int, what string) string {
	if n == 1 {
		return what
	}
	return what + "s"
}

func verb(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return several
}

func cutTotal(cut map[string]int) (n int) {
	for _, c := range cut {
		n += c
	}
	return n
}

// maxCutMethods bounds the methods that a line names.
const maxCutMethods = 3

// cutMethods names the methods of which most RPCs were cut.
func cutMethods(cut map[string]int) string {
	names := slices.SortedFunc(maps.Keys(cut), func(a, b string) int {
		return cmp.Or(cmp.Compare(cut[b], cut[a]), cmp.Compare(a, b))
	})
	s := strings.Join(names[:min(len(names), maxCutMethods)], ", ")
	if more := len(names) - maxCutMethods; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}
