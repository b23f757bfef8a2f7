// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"iter"
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
func (tl *timeline) views() []phaseView { return tl.viewsOf(tl.phases()) }

// viewsOf returns the views of some of the phases.
func (tl *timeline) viewsOf(lines []phaseLine) []phaseView {
	views := make([]phaseView, len(lines))
	for i, l := range lines {
		v := &views[i]
		v.phaseLine, v.holders = l, tl.holders(l)
		last := tl.last(v.holders)
		v.culprit = tl.blame(v, last)
		v.mark()
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
	c := last
	if c != nil && tl.is(ruleGap, v.outlasts(c) || 2*(min(v.end, tl.now)-c.end) > v.length(tl)) {
		c = nil // for most of the phase nobody was there any more
	}
	if c != nil && c.blame >= 0 {
		if part := &c.children[c.blame]; part.Kind != HolderConnection {
			c = part // a connection's own parts it tells itself
		}
	}
	if tl.is(ruleUnknown, c != nil && c.State == stateStreams) {
		c = tl.instead(c, v, func(h, of *holder) bool { return h.Kind == HolderRPC && of == nil })
	}
	if tl.is(ruleBusiness, c != nil && c.Infrastructure) {
		c = tl.instead(c, v, func(h, _ *holder) bool { return h.isRPC() && !h.Infrastructure })
	}
	if hook := firstOf(v.holders, HolderUserHook); hook != nil && tl.is(ruleHook, c.unexplainable()) {
		return hook
	}
	return c
}

// outlasts reports whether the phase lasts although its holder has let go, as a dump
// or grpc's own source says. A handler wait may: the call is about to return.
func (v *phaseView) outlasts(c *holder) bool {
	return v.phase != PhaseHandlerWait && v.end == never && !c.Open
}

// isRPC says that a holder is an RPC, whether its connection is there or not.
func (h *holder) isRPC() bool { return h.Kind == HolderRPC || h.Kind == HolderHandler }

// instead returns whom to blame instead of c: of the holders that ok chooses, and
// of which c is none, the one that let go last, unless c let go later.
func (tl *timeline) instead(c *holder, v *phaseView, ok func(h, of *holder) bool) *holder {
	var other *holder
	for h, of := range v.everyone() {
		if ok(h, of) && (other == nil || tl.later(h, other)) {
			other = h
		}
	}
	if other == nil || c != nil && tl.later(c, other) {
		return c
	}
	return other
}

// insider returns the RPC whose handler made a stop call, if it held a phase to
// its end: it waits for itself.
func (tl *timeline) insider(v *phaseView) *holder {
	if tl.inside == 0 && len(tl.stops) == 0 {
		return nil
	}
	for h := range v.everyone() {
		if h.State == stateFromInside && tl.is(ruleInside, h.Open || h.end == v.end) {
			return h
		}
	}
	return nil
}

// everyone iterates over the holders of a phase and, after each, its parts, with
// what they are parts of.
func (v *phaseView) everyone() iter.Seq2[*holder, *holder] {
	return func(yield func(h, of *holder) bool) {
		for i := range v.holders {
			h := &v.holders[i]
			if !yield(h, nil) {
				return
			}
			for j := range h.children {
				if !yield(&h.children[j], h) {
					return
				}
			}
		}
	}
}

// mark makes sure that a culprit, what it is a part of, and the part for which it
// is blamed get bars and spans of their own.
func (v *phaseView) mark() {
	for h, of := range v.everyone() {
		if h != v.culprit {
			continue
		}
		h.tell().culprit = true
		if of != nil {
			of.culprit = true
		}
		if h.blame >= 0 {
			h.children[h.blame].culprit = true
		}
		return
	}
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
	case stateStreams, stateReaderBlocked, stateClosed, stateGoAwayUnsent, "":
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
	OutcomeForced   Outcome = "forced"   // what was left was cut
	OutcomeRunning  Outcome = "running"  // it has not ended yet
	OutcomeKilled   Outcome = "killed"   // read from spans: its end never came
)

// outcome of a timeline with these views. A Stop on top of GracefulStop that
// found no connection has forced nothing.
func (tl *timeline) outcome(views []phaseView) Outcome {
	switch {
	case tl.running():
		return OutcomeRunning
	case tl.abandoned || tl.exits() || !tl.graceful || forcedStop(views) || len(tl.cutHTTP()) > 0:
		return OutcomeForced
	}
	return OutcomeGraceful
}

func forcedStop(views []phaseView) bool {
	return slices.ContainsFunc(views, func(v phaseView) bool { return v.phase == PhaseForcedStop })
}
