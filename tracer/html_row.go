// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// maxPageRows bounds the rows of the timeline, maxPageDepth its levels,
	// maxPhases the phases. A Report of ours has fewer; one that was read from
	// a file may have any.
	maxPageRows, maxPageDepth, maxPhases = 1000, 6, 16
	// maxSiblings is what a phase of ours has at most: those that held longest
	// and a summary of the others.
	maxSiblings = maxBars + 1
	// fewRows of a phase, and someRows with what is below its holders, are
	// unfolded from the start.
	fewRows, someRows = 12, 30

	// Of a row's texts, in bytes once they are escaped.
	maxRowName, maxRowState, maxRowNote = 128, 40, 240
)

// The classes of rows that are not named after a kind of holder.
const (
	classPhase = "phase"
	classMore  = "more"
	classPart  = "part"
	classHook  = "hook"
)

// htmlRow is a line of the timeline. Its X and Width are its bar's.
type htmlRow struct {
	ID, Class, Name, State, Note, Took, X, Width string

	Level          int
	Phase          int   // its number, from 1; 0: a bar
	Offset, Length int64 // µs
	Stack          int   // its number, from 1; 0: none

	Open string // of what has not ended: how that is said; empty: it has

	Culprit, Parent, Folded bool
	Main                    bool // the phase, or the member, to look at
	// Lane is the height of its bar in the overview, of the phases or of the members,
	// and Y where that is; empty: it has none there.
	Lane, Y string
}

// stillOpen is said of what still holds.
const stillOpen = "open"

// rowWriter makes rows of the tree of phases and bars.
type rowWriter struct {
	total  time.Duration
	stacks int // that it may refer to
	rows   []htmlRow
	lane   string  // of a phase: all of the overview; empty: the members have it
	ended  Outcome // of whose phases rows are made

	// Of the member of a group whose rows are made.
	level  int           // of its own row; 0: there are no members
	shift  time.Duration // from the axis' beginning to what its times count from
	phased int           // phases of those before it
	before int           // stacks of those before it
}

// timelineRows are the phases and, below each, what held it; of a group, that of
// each member below the member.
func timelineRows(r *Report, total time.Duration) []htmlRow {
	w := &rowWriter{total: total, stacks: len(r.Stacks), ended: r.Outcome}
	if members := r.pageMembers(); len(members) > 0 {
		w.before = len(r.Stacks)
		w.members(members)
	} else {
		phases := r.Phases[:min(len(r.Phases), maxPhases)]
		w.lane = wholeLane
		w.phases(phases, mainPhase(phases), maxPageRows)
	}
	return w.rows
}

const wholeLane = "100%"

// phases adds phases, of which main is the one to look at, in at most limit rows.
// Every phase has its share of them: the first must not take them all.
func (w *rowWriter) phases(phases []PhaseReport, main, limit int) {
	end := len(w.rows) + limit
	for i := range phases {
		p := &phases[i]
		share := (end - len(w.rows)) / (len(phases) - i)
		at := w.add(htmlRow{
			Level: w.level + 1, Class: classPhase, Phase: w.phased + i + 1,
			Name: clipLine(string(p.Name), maxRowName),
			Note: clipLine(p.pageNote(w.ended), maxRowNote), Main: i == main,
			Lane: w.lane,
		}, p.Offset, p.Duration)
		if p.Open && w.ended != OutcomeKilled { // of that the note says it
			w.rows[at].Open = stillOpen
		}
		w.bars(pointersToBars(p.Bars), w.level+2, share-1)
		w.fold(at, i == main)
		if i == main {
			w.nameCulprit(at)
		}
	}
	w.phased += len(phases)
}

// mainPhase is the phase that the page opens with: the longest that somebody is
// blamed for. -1: there is none.
func mainPhase(phases []PhaseReport) int {
	main := -1
	for i := range phases {
		p := &phases[i]
		blamed := p.Culprit != nil ||
			slices.ContainsFunc(p.Bars, func(b Bar) bool { return b.Culprit })
		if blamed && (main < 0 || p.Duration > phases[main].Duration) {
			main = i
		}
	}
	return main
}

// add appends a row and returns its place.
func (w *rowWriter) add(row htmlRow, offset, length Duration) int {
	start := min(w.shift+onAxis(offset), w.total)
	end := min(start+onAxis(length), w.total)
	row.Took = Duration(onAxis(length)).String()
	row.Offset, row.Length = start.Microseconds(), (end - start).Microseconds()
	row.X, row.Width = percent(start, w.total), percent(end-start, w.total)
	w.rows = append(w.rows, row)
	return len(w.rows) - 1
}

// bars adds bars and what is below them, in at most limit rows. What has no row
// is counted in one.
func (w *rowWriter) bars(bars []*Bar, level, limit int) {
	if len(bars) == 0 || limit <= 0 {
		return
	}
	end := len(w.rows) + limit
	shown := bars
	if most := min(limit, maxSiblings); level > maxPageDepth+w.level {
		shown = nil
	} else if len(bars) > most {
		shown = longestBars(bars, most-1)
	}
	after := len(bars) - len(shown)
	if after > 0 {
		end-- // for the row that counts them
	}
	for i, b := range shown {
		at := w.bar(b, level)
		left := len(shown) - i
		w.bars(pointersToBars(b.Bars), level+1, (end-len(w.rows)-left+1)/left)
		w.rows[at].Parent = len(w.rows) > at+1
	}
	if after > 0 {
		w.more(bars, shown, level)
	}
}

func (w *rowWriter) bar(b *Bar, level int) int {
	row := htmlRow{
		Level: level, Class: b.class(), Name: clipLine(b.Name, maxRowName),
		State: b.state(), Note: clipLine(b.Note, maxRowNote),
		Culprit: b.Culprit,
	}
	switch {
	case b.Open && w.ended == OutcomeKilled: // a dead process holds nothing
		row.Open = "until killed"
	case b.Open:
		row.Open = stillOpen
	}
	if n := b.Stack + w.before; b.Stack > 0 && b.Stack <= w.stacks && n <= maxPageStacks {
		row.Stack = n
	}
	return w.add(row, b.Offset, b.Duration)
}

// more adds the row that stands for those of bars that are not shown.
func (w *rowWriter) more(bars, shown []*Bar, level int) {
	n, start, end := 0, Duration(maxTime), Duration(0)
	for _, b := range bars {
		if slices.Contains(shown, b) {
			continue
		}
		n += max(1, b.More)
		start = min(start, Duration(onAxis(b.Offset)))
		end = max(end, Duration(onAxis(b.Offset)+onAxis(b.Duration)))
	}
	w.add(htmlRow{Level: level, Class: classMore, Name: fmt.Sprintf("%d more", n)}, start, end-start)
}

// fold closes what would make the page long, but for the way to the culprit.
// The rows of the phase at a place are the last.
func (w *rowWriter) fold(at int, main bool) {
	rows := w.rows[at:]
	rows[0].Parent = len(rows) > 1
	rows[0].Folded = rows[0].Parent && len(rows) > fewRows && !main
	for i := 1; i < len(rows); i++ {
		rows[i].Folded = rows[i].Parent && len(rows) > someRows && !rows[i].Culprit
	}
}

// nameCulprit makes the culprit's own row of a phase, or the phase's where it
// has none, the one that links lead to.
func (w *rowWriter) nameCulprit(phase int) {
	at := phase
	for i := phase + 1; i < len(w.rows); i++ {
		if w.rows[i].Culprit && w.rows[i].Level > w.rows[at].Level {
			at = i
		}
	}
	w.rows[at].ID = "culprit"
}

// class is how a bar looks. Nothing of a bar's own text becomes a class. A part
// has the kind of what it is a part of, and a name of its own.
func (b *Bar) class() string {
	if b.More > 0 {
		return classMore
	}
	name, _, _ := strings.Cut(b.Name, " ")
	switch kind := HolderKind(name); kind {
	case HolderListener, HolderHandshake, HolderConnection, HolderHandler, HolderRPC:
		return name
	}
	switch b.Kind {
	case HolderUserHook, HolderStopCall:
		return classHook
	}
	return classPart
}

// state is what a bar's row says of its state, unless it is its name.
func (b *Bar) state() string {
	if b.State == b.Name {
		return ""
	}
	return clipLine(b.State, maxRowState)
}

// longestBars returns n of bars in their order: those with a culprit in them,
// summaries, and those that lasted longest.
func longestBars(bars []*Bar, n int) []*Bar {
	if n <= 0 {
		return nil
	}
	all := slices.Clone(bars)
	rank := func(b *Bar) Duration {
		if b.Culprit {
			return Duration(never)
		}
		return Duration(onAxis(b.Duration))
	}
	slices.SortStableFunc(all, func(a, b *Bar) int {
		switch x, y := rank(a), rank(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
	chosen := make(map[*Bar]bool, n)
	for _, b := range all[:n] {
		chosen[b] = true
	}
	return slices.DeleteFunc(slices.Clone(bars), func(b *Bar) bool { return !chosen[b] })
}

func pointersToBars(bars []Bar) []*Bar {
	all := make([]*Bar, len(bars))
	for i := range bars {
		all[i] = &bars[i]
	}
	return all
}
