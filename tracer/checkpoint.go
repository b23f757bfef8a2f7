// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

const (
	// maxCheckpointHolders is how many holders a checkpoint names.
	maxCheckpointHolders = 3
	// maxCheckpoints bounds those of a Report: half of them the first ones, the
	// others the last.
	maxCheckpoints = 100
)

// checkpoint tells what holds the shutdown now: to the collector, to the log
// and to the report, in the same words.
func (s *Shutdown) checkpoint() {
	s.countRefused()
	tl, views := s.news()
	if s.seekOwn(tl, views, procLimit) {
		tl, views = s.news()
	}
	v := &views[len(views)-1]
	s.keepCheckpoint(Checkpoint{
		Offset: whole(tl.fromStart(tl.now)), Phase: v.phase, Left: tl.left(tl.now),
		Verdict: tl.verdictSoFar(v),
	})
	s.session.Together(func() {
		s.spans.advance(tl, views)
		s.spans.ended(tl, views)
		s.spans.checkpoint(tl, views)
	})
	s.logProgress(tl, v)
}

// news is a view of the phases of which something has not been sent, and of the
// last one.
func (s *Shutdown) news() (*timeline, []phaseView) {
	tl := s.timeline()
	lines := tl.phases()
	last := lines[len(lines)-1]
	return tl, tl.viewsOf(append(s.spans.unsent(lines[:len(lines)-1]), last))
}

// keepCheckpoint puts a checkpoint into the story. How it began and how it ended
// is told; of a long one the middle is not.
func (s *Shutdown) keepCheckpoint(c Checkpoint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.told) == maxCheckpoints {
		s.told = slices.Delete(s.told, maxCheckpoints/2, maxCheckpoints/2+1)
	}
	s.told = append(s.told, c)
}

// story is what the checkpoints have told so far.
func (s *Shutdown) story() []Checkpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

// toldOfAnother reports whether the last checkpoint was in another phase; not if there
// was none.
func (s *Shutdown) toldOfAnother(phase Phase) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.told)
	return n > 0 && s.told[n-1].Phase != phase
}

// nextCheckpoint returns when the checkpoint after the one at last is due: at
// 1, 3 and 6 s, then every 5 s, and after a minute at twice the spacing each
// time, up to 1 min.
func nextCheckpoint(last time.Duration) time.Duration {
	switch {
	case last < time.Second:
		return time.Second
	case last < 3*time.Second:
		return 3 * time.Second
	case last < 6*time.Second:
		return 6 * time.Second
	case last < time.Minute:
		return last + 5*time.Second
	}
	at, step := 61*time.Second, 10*time.Second
	for at <= last {
		at += step
		step = min(2*step, time.Minute)
	}
	return at
}

// checkpoint sends what holds the shutdown now: one span since the last
// checkpoint, and below it the holders to blame. In a run that is killed these
// are the evidence.
func (s *spans) checkpoint(tl *timeline, views []phaseView) {
	v := &views[len(views)-1]
	open := longest(openHolders(v), maxCheckpointHolders)
	if s.progress+1+len(open) > maxProgressSpans {
		return
	}
	s.progress += 1 + len(open)
	s.countFrom(tl.lead)
	b := bounds{s.last, max(s.last+tick, tl.now.Truncate(tick))}
	s.last = b.end + tick
	id := newSpanID()
	attrs := append([]attr{
		{keyPhase, string(v.phase)}, {keyElapsed, tl.fromStart(tl.now).Seconds()},
		{keyVerdict, tl.verdictSoFar(v)},
	}, tl.left(tl.now).attrs(keyEndLeft)...)
	attrs = append(attrs, noteAttrs(tl.notesOf(v))...)
	s.emit(id, s.started, spanCheckpoint+string(v.phase), b, attrs)
	for i, hb := range within(b, open) {
		h := open[i].tell()
		sp := s.span(newSpanID(), id, h.name, hb, h.attributes(v.phase))
		sp.Links = h.links()
		s.session.Emit(sp)
	}
}

// openHolders returns what of a phase still holds: the culprits themselves, an
// RPC rather than its connection.
func openHolders(v *phaseView) []*holder {
	var open []*holder
	for i := range v.holders {
		if h := v.holders[i].blamed(); h.Open {
			open = append(open, h)
		}
	}
	return open
}

// blamed is what of a holder is to blame: an RPC of a connection, or itself.
func (h *holder) blamed() *holder {
	if h.blame >= 0 && h.children[h.blame].Kind != HolderConnection {
		return &h.children[h.blame]
	}
	return h
}
