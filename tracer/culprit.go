// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// phaseView is a phase with what held it and whom to blame.
type phaseView struct {
	phaseLine
	holders  []holder
	culprit  *holder // nil: nothing held it that was seen
	released string  // who let go last, in words
	gap      time.Duration
}

// length is how long the phase lasted, up to now if it still does.
func (v *phaseView) length(tl *timeline) time.Duration { return min(v.end, tl.now) - v.start }

// views returns the phases of a timeline with their culprits.
func (tl *timeline) views() []phaseView {
	lines := tl.phases()
	views := make([]phaseView, len(lines))
	for i, l := range lines {
		v := &views[i]
		v.phaseLine, v.holders = l, tl.holders(l)
		last := tl.last(v.holders)
		if v.culprit = tl.blame(v, last); v.culprit != nil {
			v.culprit.culprit = true
		}
		if last != nil && !last.Open && l.end != never {
			v.released, v.gap = last.who(), l.end-last.end
		}
	}
	return views
}

// blame returns the culprit of a phase, nil if nobody is to blame: by the rules
// of blame in docs/verdict.md. last is the holder that let go last.
func (tl *timeline) blame(v *phaseView, last *holder) *holder {
	if c := tl.insider(v); c != nil {
		return c
	}
	if last != nil && tl.is(ruleGap, 2*(min(v.end, tl.now)-last.end) > v.length(tl)) {
		last = nil // for most of the phase nobody was there any more
	}
	c := last
	if last != nil && last.blame >= 0 {
		last.culprit = true // it gets a bar and a span, as its part does
		part := &last.children[last.blame]
		part.culprit = true
		if part.Kind != HolderConnection {
			c = part // a connection's own parts it tells itself
		}
	}
	if r := tl.unplaced(v); r != nil &&
		tl.is(ruleUnknown, c != nil && c.State == stateStreams && !tl.later(c, r)) {
		c = r
	}
	if hook := firstOf(v.holders, HolderUserHook); hook != nil && tl.is(ruleHook, c.unexplainable()) {
		return hook
	}
	return c
}

// insider returns the RPC whose handler made a stop call, if it held a phase to
// its end: it waits for itself.
func (tl *timeline) insider(v *phaseView) *holder {
	for i := range v.holders {
		h := &v.holders[i]
		for _, c := range append(pointers(h.children), h) {
			if c.State == stateFromInside && tl.is(ruleInside, c.Open || c.end == v.end) {
				h.culprit, c.culprit = true, true
				return c
			}
		}
	}
	return nil
}

// unplaced is the RPC that let go last of those whose connection is not known:
// it may be the one whose stream no handler is seen to have.
func (tl *timeline) unplaced(v *phaseView) *holder {
	var r *holder
	for i := range v.holders {
		if h := &v.holders[i]; h.Kind == HolderRPC && (r == nil || tl.later(h, r)) {
			r = h
		}
	}
	return r
}

// unexplainable reports whether there is nobody to blame, or only a connection
// of which it is not known what it waits for.
func (h *holder) unexplainable() bool {
	if h == nil {
		return true
	}
	if h.Kind != HolderConnection || h.blame >= 0 {
		return false
	}
	switch h.State {
	case stateStreams, stateReaderBlocked, stateGoAwayUnsent, "":
		return true
	}
	return false
}

func firstOf(hs []holder, kind HolderKind) *holder {
	for i := range hs {
		if hs[i].Kind == kind {
			return &hs[i]
		}
	}
	return nil
}

// last returns the holder that let go last. A user hook is not asked: nobody saw
// it let go.
func (tl *timeline) last(hs []holder) *holder {
	var last *holder
	for i := range hs {
		if hs[i].Kind != HolderUserHook && (last == nil || tl.later(&hs[i], last)) {
			last = &hs[i]
		}
	}
	return last
}

// later reports whether a let go after b. Of two that still hold, or let go at
// the same moment, the one that is listed first is blamed: the older one.
func (tl *timeline) later(a, b *holder) bool {
	if a.Open != b.Open {
		return tl.is(ruleOpen, a.Open)
	}
	return tl.is(ruleLast, a.end > b.end)
}

// Outcome is how a shutdown ended.
type Outcome string

// The outcomes of a shutdown.
const (
	OutcomeGraceful Outcome = "graceful" // every RPC ended by itself
	OutcomeForced   Outcome = "forced"   // Stop closed what was left
	OutcomeRunning  Outcome = "running"  // it has not ended yet
	OutcomeKilled   Outcome = "killed"   // read from spans: its end never came
)

// outcome of a timeline with these views. A Stop on top of GracefulStop that
// found no connection has forced nothing.
func (tl *timeline) outcome(views []phaseView) Outcome {
	switch {
	case tl.returned > tl.now:
		return OutcomeRunning
	case tl.abandoned || !tl.graceful || forcedStop(views):
		return OutcomeForced
	}
	return OutcomeGraceful
}

func forcedStop(views []phaseView) bool {
	return slices.ContainsFunc(views, func(v phaseView) bool { return v.phase == PhaseForcedStop })
}
