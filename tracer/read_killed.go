// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"time"
)

// orphans are the phases whose root was not sent, by the root's id.
func (t *readTrace) orphans() map[string][]*readSpan {
	all := make(map[string][]*readSpan)
	for parent, list := range t.children {
		if parent == "" || t.spans[parent] != nil {
			continue
		}
		for _, s := range list {
			if s.isPhase() {
				all[parent] = append(all[parent], s)
			}
		}
		sortSpans(all[parent])
	}
	return all
}

// killed makes a report of a shutdown whose end never came: of the phases that
// had ended, and of what the checkpoints told about the one that had not.
func (b *rebuilder) killed(orphans map[string][]*readSpan) *Report {
	r := b.r
	r.Outcome = OutcomeKilled
	ended := b.ours(orphans)
	for _, s := range ended {
		r.Phases = append(r.Phases, b.phase(s))
	}
	r.Checkpoints, _ = b.checkpoints()
	for _, c := range r.Checkpoints {
		r.Duration = max(r.Duration, c.Offset)
	}
	for _, s := range b.own(ended) { // whatever ended, the process was there
		r.Duration = max(r.Duration, b.at(s.end))
	}
	b.openPhase()
	r.Verdict = b.killedVerdict(ended)
	r.Notes = append(b.notesSoFar(), Note{Kind: noteMissing, Text: notEnded})
	return r
}

// notesSoFar are those of the last checkpoint: who held it then, is to blame.
func (b *rebuilder) notesSoFar() (notes []Note) {
	if _, spans := b.checkpoints(); len(spans) > 0 {
		for _, line := range spans[len(spans)-1].list(keyNotes) {
			notes = append(notes, parseNote(line))
		}
	}
	return notes
}

// own are the spans of this shutdown, as far as that is known: where the process has
// stopped others in the same trace, what is below its own. See WithParent.
func (b *rebuilder) own(ended []*readSpan) (all []*readSpan) {
	if b.alone {
		for _, s := range b.spans {
			if s.process == b.process {
				all = append(all, s)
			}
		}
		return all
	}
	seen := make(map[*readSpan]bool) // a file may have circles
	all = append([]*readSpan{b.started}, ended...)
	for at := 0; at < len(all); at++ {
		if s := all[at]; !seen[s] {
			seen[s] = true
			all = append(all, b.children[s.id]...)
		}
	}
	return all
}

// ours are the phases that belong to this shutdown: those that begin closest to
// it, if there are several in the trace.
func (b *rebuilder) ours(orphans map[string][]*readSpan) []*readSpan {
	var first []*readSpan
	for _, list := range orphans {
		if len(list) > 0 && list[0].service == b.started.service {
			first = append(first, list[0])
		}
	}
	sortSpans(first)
	if i := nearest(first, b.process, b.started.start); i >= 0 {
		return orphans[first[i].parent]
	}
	return nil
}

// Words of a killed run's verdict.
const (
	afterAtLeast = "after at least %s"
	toldNothing  = "it told nothing of what held it"
)

// killedVerdict says who held it at the last checkpoint or, where that phase had
// ended when it was killed, who had held the longest one.
func (b *rebuilder) killedVerdict(ended []*readSpan) string {
	r := b.r
	after := fmt.Sprintf(afterAtLeast, r.Duration)
	if n := len(r.Phases); n > 0 && r.Phases[n-1].Open {
		last := r.Checkpoints[len(r.Checkpoints)-1]
		return fmt.Sprintf("killed in %s %s: %s", last.Phase, after, last.Verdict)
	}
	var main *readSpan
	for _, s := range ended {
		if s.text(keyCulprit) != "" && (main == nil || s.end-s.start > main.end-main.start) {
			main = s
		}
	}
	switch {
	case main != nil && since(main.start, main.end) >= onlyScheduled:
	case len(r.Checkpoints) > 0: // of a phase in which nobody was seen
		return fmt.Sprintf("killed %s: %s", after, r.Checkpoints[len(r.Checkpoints)-1].Verdict)
	default:
		return fmt.Sprintf("killed %s: %s", after, toldNothing)
	}
	return fmt.Sprintf("killed %s, after %s: %s had taken %s: %s; what held it then was not told", after,
		ended[len(ended)-1].name, main.name, Duration(since(main.start, main.end)), main.text(keyCulprit))
}

// openPhase adds the phase that had not ended when the last checkpoint told of
// it, and what held it then.
func (b *rebuilder) openPhase() {
	r := b.r
	told, spans := b.checkpoints()
	if len(told) == 0 {
		return
	}
	last, span := told[len(told)-1], spans[len(spans)-1]
	if slices.ContainsFunc(r.Phases, func(p PhaseReport) bool { return p.Name == last.Phase }) {
		return // it ended after that
	}
	var start Duration
	for _, p := range r.Phases {
		start = max(start, p.Offset+p.Duration)
	}
	p := PhaseReport{
		Name: last.Phase, Start: r.Start.Add(time.Duration(start)), Offset: start,
		Duration: max(r.Duration-start, 0), Open: true,
		LeftAtStart: b.leftAtStart(last), LeftAtEnd: last.Left,
	}
	hs := b.holders(span.id, 0)
	for i := range hs {
		h := &hs[i] // its span begins at the checkpoint before
		h.start = max(time.Duration(start), h.end-time.Duration(h.Age))
		h.Held = Duration(h.end - h.start)
	}
	b.fill(&p, append(b.released(last.Phase), hs...))
	r.Phases = append(r.Phases, p)
}

// leftAtStart is what was left when the phase of a checkpoint began: what the
// one before it left.
func (b *rebuilder) leftAtStart(last Checkpoint) Left {
	if n := len(b.r.Phases); n > 0 {
		return b.r.Phases[n-1].LeftAtEnd
	}
	return last.Left
}

// released are the holders of a phase that had let go while it lasted: they were
// sent as they ended, below a phase that never was.
func (b *rebuilder) released(phase Phase) (hs []holder) {
	for parent := range b.children {
		if parent == "" || b.spans[parent] != nil || !b.alone {
			continue // or nobody knows whose they are
		}
		for _, s := range b.below(parent) {
			if s.process == b.process && Phase(s.text(keyPhase)) == phase && !s.isPhase() &&
				s.text(keyKind) != "" {
				h := b.holder(s)
				h.children = b.holders(s.id, 1)
				hs = append(hs, h)
			}
		}
	}
	slices.SortStableFunc(hs, func(x, y holder) int { return int(x.start - y.start) })
	return hs
}
