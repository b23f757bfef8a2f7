// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
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
		v.culprit = culprit(v.holders)
		if last := lastHolder(v.holders); last != nil && !last.Open && l.end != never {
			v.released, v.gap = last.who(), l.end-last.end
		}
	}
	return views
}

// culprit is the holder to blame for a phase: the one that let go last, and
// below a connection the part that held it longest.
func culprit(hs []holder) *holder {
	h := lastHolder(hs)
	if h != nil && h.blame >= 0 {
		part := &h.children[h.blame]
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
	var words []string
	switch h.Kind {
	case HolderRPC, HolderHandler:
		m := h.Method
		if h.Original != "" {
			m += " (" + h.Original + ")"
		}
		words = append(words, string(h.Kind), m)
	case HolderListener:
		return "listener " + h.Listener
	default:
		words = append(words, string(h.Kind))
	}
	if h.Peer == "" {
		return strings.Join(append(words, "on an unknown connection"), " ")
	}
	return strings.Join(append(words, "from", h.Peer), " ")
}

// sentence says who held and why.
func (h *Holder) sentence() string {
	switch h.Kind {
	case HolderHandshake:
		return fmt.Sprintf("%s never finished, open %s, %s", h.who(), h.Age, h.Detail)
	case HolderListener:
		return fmt.Sprintf("%s, %s", h.who(), h.Detail)
	case HolderConnection:
		if h.State == StatePingUnacked || h.State == StateLinger {
			return fmt.Sprintf("%s, %s", h.who(), h.Detail)
		}
		return fmt.Sprintf("%s, open %s%s", h.who(), h.Age, prefixed(", ", h.Detail))
	}
	return fmt.Sprintf("%s, open %s%s", h.who(), h.Age, prefixed(", ", h.Detail))
}

func prefixed(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}

// Outcome is how a shutdown ended.
type Outcome string

// The outcomes of a shutdown.
const (
	OutcomeGraceful Outcome = "graceful" // every RPC ended by itself
	OutcomeForced   Outcome = "forced"   // Stop closed what was left
	OutcomeRunning  Outcome = "running"  // it has not ended yet
)

func (tl *timeline) outcome() Outcome {
	switch {
	case tl.returned > tl.now:
		return OutcomeRunning
	case tl.abandoned || tl.forced != never || !tl.graceful:
		return OutcomeForced
	}
	return OutcomeGraceful
}

// nothingHeld is the longest hold that is not worth a name.
const nothingHeld = 5 * time.Millisecond

// verdict says in one line what the shutdown waited for. views are those of tl.
func (tl *timeline) verdict(views []phaseView) string {
	if tl.outcome() == OutcomeRunning {
		return tl.verdictSoFar(&views[len(views)-1])
	}
	main := tl.longest(views)
	took, total := Duration(main.length(tl)), Duration(tl.returned)
	var s string
	switch {
	case time.Duration(took) < nothingHeld:
		s = fmt.Sprintf("%s in %s, nothing held it", tl.outcome(), total)
	case main.culprit == nil:
		s = fmt.Sprintf("%s took %s of %s: what held it was not seen", main.phase, took, total)
	default:
		s = fmt.Sprintf("%s took %s of %s: %s", main.phase, took, total, main.culprit.sentence())
	}
	if n := tl.left(main.start).Connections; main.phase == PhaseHandshakeWait && n > 0 {
		s += fmt.Sprintf("; until then %d %s got no GOAWAY", n, plural(n, "connection"))
	}
	return s + tl.ending(views) + tl.caveat()
}

// ending says what a stop that was not graceful did.
func (tl *timeline) ending(views []phaseView) string {
	cut := cutTotal(tl.cutRPCs())
	var s string
	switch {
	case tl.forced != never:
		s = "; the forced stop released it"
		if cut > 0 {
			s += fmt.Sprintf(", cutting %d %s", cut, plural(cut, "RPC"))
		}
	case cut > 0:
		s = fmt.Sprintf("; Stop cut %d %s", cut, plural(cut, "RPC"))
	}
	if c := views[len(views)-1].culprit; tl.abandoned && c != nil {
		s += "; left behind: " + c.who()
	}
	return s
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

// caveat says what could not be seen, where that matters.
func (tl *timeline) caveat() string {
	if tl.blind() {
		return " (no listener was registered: connections and handshakes are not known)"
	}
	for i := range tl.conns {
		c := &tl.conns[i]
		if c.transport && !c.frames && c.gone > 0 {
			return " (some connections' frames are not seen: wrap the credentials to see GOAWAYs)"
		}
	}
	return ""
}

// cutRPCs counts by method the RPCs that a forced stop cut: those whose
// connection was there when it began and whose handler had not returned.
// (An RPC that ended at that very moment was ended by it.)
func (tl *timeline) cutRPCs() map[string]int {
	at := tl.forced
	if !tl.graceful {
		at = 0
	}
	if at == never {
		return nil
	}
	cut := make(map[string]int)
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		if r.begin <= at && min(r.end, tl.freed(r)) >= at {
			cut[r.method.Name]++
		}
	}
	return cut
}
