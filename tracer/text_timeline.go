// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/column"
)

// Widths of the columns of the text timeline. What is left is for the notes.
const (
	minLabel   = 20
	maxLabel   = 28 // "  └ handler Greeter/SayHello"
	timeColumn = 6
	barColumn  = 16
	// noteIndent is of a note that does not fit beside its bar, from the name.
	noteIndent = 2
	// maxIndent bounds what a report that was read from a file may indent.
	maxIndent = 12
)

// culpritMark stands before the bar of a culprit, and of what it is a part of.
const culpritMark = "▸"

// row is a line of the timeline. A note that does not fit beside the bar stands
// below it.
type row struct {
	tee, below    string // before its name, and before the lines below it
	name          string
	start, length time.Duration
	note          string
	culprit       bool
	style         style // of the bar
}

func (t *textReport) timeline(r *Report) {
	t.total = time.Duration(r.Duration)
	members, most, name := r.named(), maxLabel, spanRoot
	if len(members) > 0 {
		most, name = maxLabel+2, spanGroup
	}
	rows := []row{{
		name: name, below: stem(len(r.Phases)+len(members) > 0),
		length: t.total, note: outcomeNote(r), style: outcomeStyle(r.Outcome),
	}}
	main := r.mainMember()
	for i, m := range members {
		rows = appendMember(rows, m, m.Report == main, i == len(members)-1)
	}
	if len(members) == 0 {
		rows = appendPhases(rows, r, "", 0)
	}
	t.label = minLabel
	for i := range rows {
		rows[i].name, rows[i].note = shown(rows[i].name), shown(rows[i].note)
		t.label = max(t.label, min(most, column.Width(rows[i].tee+rows[i].name)))
	}
	for i := range rows {
		t.row(&rows[i])
	}
}

// appendMember adds the bar of a group's member and what is below it.
func appendMember(rows []row, m namedMember, main, last bool) []row {
	tee, below := branch(last)
	r := row{
		tee: tee, below: below + stem(len(m.Phases) > 0), name: m.name,
		start: m.offset(), length: time.Duration(m.Duration),
		note: memberNote(m.Report), culprit: main, style: outcomeStyle(m.Outcome),
	}
	return appendPhases(append(rows, r), m.Report, below, m.offset())
}

// maxShown bounds, in bytes, a text of a report that was read from a file: ours
// are shorter.
const maxShown = 4 << 10

// shown is a text as a terminal may see it.
func shown(s string) string { return printable(atMost(s, maxShown)) }

func outcomeNote(r *Report) string {
	note := string(r.Outcome)
	if n := cutTotal(r.RPCsCut); n > 0 {
		note += ", cut " + amount(n, "RPC")
	}
	return note
}

// appendPhases adds the phases of r and their holders. shift is from the axis'
// beginning to what their times count from.
func appendPhases(rows []row, r *Report, indent string, shift time.Duration) []row {
	for i := range r.Phases {
		p := &r.Phases[i]
		tee, below := branch(i == len(r.Phases)-1)
		rows = append(rows, row{
			tee: indent + tee, below: indent + below + stem(len(p.Bars) > 0), name: string(p.Name),
			start: shift + time.Duration(p.Offset), length: time.Duration(p.Duration),
			note: phaseNote(p, r.Outcome),
		})
		rows = appendBars(rows, p.Bars, indent+below, shift)
	}
	return rows
}

// phaseNote says what a phase began with, and whether it has ended: a process that was
// killed holds nothing any more.
func phaseNote(p *PhaseReport, outcome Outcome) string {
	var notes []string
	killed := outcome == OutcomeKilled
	some := p.Name == PhaseHandlerWait && p.LeftAtEnd.Handlers < p.LeftAtStart.Handlers
	switch {
	case p.Open && killed:
		notes = append(notes, "at least, until it was killed")
	case p.Open && !some:
		notes = append(notes, "still lasts")
	}
	switch n := p.LeftAtStart; p.Name {
	case PhaseHandshakeWait:
		notes = counted(notes, n.Handshakes, "handshake")
	case PhaseGoAway, PhaseConnWait:
		notes = counted(notes, n.Connections, "connection")
	case PhaseHandlerWait:
		notes = counted(notes, n.Handlers, "handler")
		if left := p.LeftAtEnd.Handlers; p.Open && some && killed {
			notes = append(notes, fmt.Sprintf("%d still ran", left))
		} else if p.Open && some {
			notes = append(notes, fmt.Sprintf("%d still %s", left, verb(left, "runs", "run")))
		}
	}
	return strings.Join(notes, ", ")
}

func counted(notes []string, n int, what string) []string {
	if n == 0 {
		return notes
	}
	return append(notes, amount(n, what))
}

func appendBars(rows []row, bars []Bar, indent string, shift time.Duration) []row {
	for i := range bars {
		b := &bars[i]
		tee, below := branch(i == len(bars)-1)
		if len([]rune(indent)) >= maxIndent {
			tee, below = "", ""
		}
		r := row{
			tee: indent + tee, below: indent + below + stem(len(b.Bars) > 0), name: b.Name,
			start: shift + time.Duration(b.Offset), length: time.Duration(b.Duration),
			note: b.Note, culprit: b.Culprit,
		}
		if b.Culprit {
			r.style = styleCulprit
		}
		rows = appendBars(append(rows, r), b.Bars, indent+below, shift)
	}
	return rows
}

// branch is what stands before an item of a tree, and before what is below it.
func branch(last bool) (tee, below string) {
	if last {
		return "└ ", "  "
	}
	return "├ ", "│ "
}

// stem leads from an item to what is below it.
func stem(more bool) string {
	if more {
		return "│"
	}
	return ""
}

func (t *textReport) row(r *row) {
	name := column.CutMiddle(r.name, max(t.label-column.Width(r.tee), 1))
	mark := " "
	if r.culprit {
		mark = culpritMark
	}
	line := t.paint.do(styleTree, r.tee) + t.paint.do(r.style, name) +
		strings.Repeat(" ", t.label-column.Width(r.tee)-column.Width(name)+1) +
		column.PadLeft(column.CutMiddle(Duration(r.length).String(), timeColumn), timeColumn) +
		" " + mark + t.paint.do(r.style, t.bar(r.start, r.length)) + "  "
	notesAt := t.label + 1 + timeColumn + 2 + barColumn + 2
	beside := column.Width(r.note) <= textWidth-notesAt
	if beside {
		line += r.note
	}
	t.b.WriteString(t.paint.trim(line) + "\n")
	if beside {
		return
	}
	indent := column.Width(r.tee) + noteIndent
	gap := strings.Repeat(" ", max(indent-column.Width(r.below), 0))
	for _, note := range column.WrapNote(r.note, textWidth-indent) {
		t.b.WriteString(t.paint.do(styleTree, r.below) + gap + note + "\n")
	}
}

var eighths = []rune(" ▏▎▍▌▋▊▉█")

// bar is drawn in eighths of a character's width.
func (t *textReport) bar(start, length time.Duration) string {
	cells := []rune(strings.Repeat(" ", barColumn))
	if t.total <= 0 {
		return string(cells)
	}
	at := func(d time.Duration) int {
		return int(min(max(float64(d)/float64(t.total), -1), 2) * barColumn * 8)
	}
	from := max(0, min(at(start), barColumn*8-1))
	to := min(max(at(start+length), at(start)), barColumn*8)
	// A part cell can only be filled from its left: the bar starts at a whole.
	first := from / 8
	cells[first] = eighths[1]
	for i := first; i < barColumn && i*8 < to && to > from+1; i++ {
		cells[i] = eighths[min(8, to-i*8)]
	}
	return string(cells)
}
