// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
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
		last := lastHolder(v.holders)
		v.culprit = last.blamed()
		if last != nil && !last.Open && l.end != never {
			v.released, v.gap = last.who(), l.end-last.end
		}
	}
	return views
}

// blamed is whom to blame for what h, the holder that let go last, held: h, or
// of a connection the RPC that held it longest. A connection's own parts it
// tells itself. Both are marked, so that they get a bar and a span.
func (h *holder) blamed() *holder {
	if h == nil {
		return nil
	}
	h.culprit = true
	if h.blame >= 0 {
		part := &h.children[h.blame]
		part.culprit = true
		if part.Kind != HolderConnection {
			return part
		}
	}
	return h
}

func lastHolder(hs []holder) *holder {
	var last *holder
	for i := range hs {
		if last == nil || later(&hs[i], last) {
			last = &hs[i]
		}
	}
	return last
}

// who names a holder in a few words.
func (h *Holder) who() string {
	s := string(h.Kind)
	switch {
	case h.Kind == HolderListener:
		return s + " " + h.Listener
	case h.Original != "":
		s += fmt.Sprintf(" %s (%s)", h.Method, h.Original)
	case h.Method != "":
		s += " " + h.Method
	}
	if h.Peer == "" {
		return s + " on an unknown connection"
	}
	return s + " from " + h.Peer
}

// sentence says who held and why.
func (h *holder) sentence() string {
	who := h.who()
	switch {
	case h.Kind == HolderHandshake:
		return fmt.Sprintf("%s %s %s, %s", who, h.ended, h.Age, h.Detail)
	case h.Kind == HolderListener, h.State == statePingUnacked, h.State == stateLinger:
		return fmt.Sprintf("%s, %s", who, h.Detail)
	case h.Detail == "":
		return fmt.Sprintf("%s, open %s", who, h.Age)
	}
	return fmt.Sprintf("%s, open %s, %s", who, h.Age, h.Detail)
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

const (
	// nothingHeld is the longest hold that is not worth a name.
	nothingHeld = 5 * time.Millisecond
	// onlyScheduled is the longest phase without a holder that a busy machine
	// explains.
	onlyScheduled = 100 * time.Millisecond
)

// verdict says in one line what the shutdown waited for. views are those of tl.
func (tl *timeline) verdict(views []phaseView) string {
	if tl.returned > tl.now {
		return tl.verdictSoFar(&views[len(views)-1])
	}
	main := tl.longest(views)
	took, total := Duration(main.length(tl)), Duration(tl.returned)
	var s string
	switch {
	case time.Duration(took) < nothingHeld,
		main.culprit == nil && time.Duration(took) < onlyScheduled:
		s = fmt.Sprintf("%s in %s, nothing held it", tl.outcome(views), total)
		main = nil
	case main.culprit == nil:
		s = fmt.Sprintf("%s took %s of %s: what held it was not seen", main.phase, took, total)
	default:
		s = fmt.Sprintf("%s took %s of %s: %s", main.phase, took, total, main.culprit.sentence())
	}
	return s + tl.untold(main) + tl.ending(views, main) + tl.caveat()
}

// untold says how many clients a handshake wait kept from being told: until its
// end nobody gets a GOAWAY. main is nil if nothing held the shutdown.
func (tl *timeline) untold(main *phaseView) string {
	if main == nil || main.phase != PhaseHandshakeWait || !tl.graceful {
		return ""
	}
	n := 0
	for i := range tl.conns {
		c := &tl.conns[i]
		if c.transport && c.settled <= main.start && c.gone > main.start && c.goAway > main.start {
			n++
		}
	}
	switch {
	case n == 0:
		return ""
	case main.end == tl.forced:
		return fmt.Sprintf("; %d other %s never got a GOAWAY", n, plural(n, "connection"))
	}
	return fmt.Sprintf("; until then %d other %s got no GOAWAY", n, plural(n, "connection"))
}

// ending says what a stop that was not graceful did. main is nil if nothing
// held the shutdown.
func (tl *timeline) ending(views []phaseView, main *phaseView) string {
	methods := tl.cutRPCs()
	n := cutTotal(methods)
	forced := forcedStop(views)
	ended := forced && main != nil && main.end == tl.forced // it ended the main phase
	cut := fmt.Sprintf("%d %s", n, plural(n, "RPC"))
	if n > 1 || !main.blamesRPC(methods, ended) {
		cut += " (" + cutMethods(methods) + ")"
	}
	var s string
	switch {
	case ended && main.culprit != nil && main.culprit.Open:
		s = "; the forced stop did not end it"
	case ended && n > 0:
		s = "; the forced stop released it, cutting " + cut
	case ended:
		s = "; the forced stop released it"
	case forced && n > 0:
		s = "; the forced stop cut " + cut
	case n > 0:
		s = "; Stop cut " + cut
	}
	if c := views[len(views)-1].culprit; tl.abandoned && c != nil {
		s += "; left behind: " + c.who()
	}
	return s
}

// blamesRPC reports whether the culprit, which the verdict has named, is of one
// of the methods that were cut. ended says that the cut ended the phase.
func (v *phaseView) blamesRPC(cut map[string]int, ended bool) bool {
	return v != nil && v.culprit != nil && cut[v.culprit.Method] > 0 &&
		(ended || v.culprit.Kind == HolderHandler)
}

// longest is the phase that the verdict is about.
func (tl *timeline) longest(views []phaseView) *phaseView {
	main := &views[0]
	for i := range views {
		if views[i].length(tl) > main.length(tl) {
			main = &views[i]
		}
	}
	return main
}

func (tl *timeline) verdictSoFar(v *phaseView) string {
	s := fmt.Sprintf("%s for %s so far", v.phase, Duration(v.length(tl)))
	if v.culprit != nil {
		s += ": " + v.culprit.sentence()
	}
	return s + tl.caveat()
}

// caveat says what could not be seen.
func (tl *timeline) caveat() string {
	if tl.blind() {
		return " (RPCs only: no listener was watched, so connections and handshakes are not known)"
	}
	n := 0
	for i := range tl.conns {
		if c := &tl.conns[i]; c.transport && !c.frames && c.gone > 0 {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (the frames of %d %s were not seen: wrap the server's credentials)",
		n, plural(n, "connection"))
}

// cutRPCs counts by method the RPCs that a forced stop cut: those whose
// connection was there when it began and whose handler had not returned.
// (An RPC that ended at that very moment was ended by it. One whose connection
// survived was not cut.)
func (tl *timeline) cutRPCs() map[string]int {
	at := tl.forced
	if !tl.graceful {
		at = 0
	}
	if at == never {
		return nil
	}
	var cut map[string]int
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		if end := min(r.end, tl.freed(r)); r.begin <= at && end >= at && end <= tl.now {
			if cut == nil {
				cut = make(map[string]int)
			}
			cut[r.method.Name]++
		}
	}
	return cut
}
