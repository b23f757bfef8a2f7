// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"time"
)

// who names a holder in a few words.
func (h *Holder) who() string {
	s := string(h.Kind)
	switch {
	case h.Kind == HolderListener:
		return s + " " + h.Listener
	case h.Kind == HolderUserHook:
		return s + " " + h.Function + at(h.Source)
	case h.Kind == HolderStopCall:
		return "another " + s
	case h.Kind == HolderFlush:
		return s + " " + h.Name
	case h.Original != "":
		s += fmt.Sprintf(" %s (%s)", h.Method, h.Original)
	case h.Method != "":
		s += " " + h.Method
	}
	if h.Infrastructure {
		s += " (infrastructure)"
	}
	if h.Transport != "" {
		s += " through ServeHTTP"
	}
	switch {
	case h.Peer != "":
		s += " from " + h.Peer
	case h.Connection > 0 && h.Kind == HolderConnection:
		s = h.numbered()
	case h.Connection > 0:
		s += " from " + h.numbered()
	case h.Connection == 0:
		return s + " on an unknown connection"
	}
	if h.Local != "" {
		s += " (" + h.Local + ")"
	}
	if h.Client != "" {
		s += " for " + h.Client
	}
	return s
}

// at says where something is, if that is known.
func at(source string) string {
	if source == "" {
		return ""
	}
	return " at " + source
}

// sentence says who held and why.
func (h *holder) sentence() string {
	who := h.who()
	switch {
	case h.Kind == HolderHandshake:
		return fmt.Sprintf("%s %s %s, %s", who, h.ended, h.Age, h.Detail)
	case h.Kind == HolderListener, h.Kind == HolderUserHook, h.Kind == HolderStopCall,
		h.Kind == HolderFlush, h.State == statePingUnacked, h.State == stateLinger:
		return fmt.Sprintf("%s, %s", who, h.Detail)
	case h.Detail == "":
		return fmt.Sprintf("%s, open %s", who, h.Age)
	}
	return fmt.Sprintf("%s, open %s, %s", who, h.Age, h.Detail)
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
	if tl.running() {
		return tl.verdictSoFar(&views[len(views)-1])
	}
	main := tl.longest(views)
	took, total := Duration(main.length(tl)), Duration(tl.fromStart(tl.over()))
	untold := tl.untoldClients()
	var s string
	switch {
	case time.Duration(took) < nothingHeld,
		main.culprit == nil && time.Duration(took) < onlyScheduled, main.phase.isBefore():
		s = fmt.Sprintf("%s in %s%s, nothing held it", tl.outcome(views), total, tl.ducked())
		if untold != "" {
			s = fmt.Sprintf("%s in %s%s, but %s", tl.outcome(views), total, tl.ducked(), untold)
		}
		main = nil
	case main.culprit == nil:
		s = fmt.Sprintf("%s took %s of %s: what held it was not seen", main.phase, took, total)
		if main.released != "" {
			s += fmt.Sprintf(", %s, the last that was, let go %s before its end: "+
				"a starved CPU, or code outside of the handlers", main.released, Duration(main.gap))
		}
	default:
		s = fmt.Sprintf("%s took %s of %s: %s", main.phase, took, total, main.culprit.sentence())
	}
	s += main.alike() + tl.unsaid(main) + tl.ending(views, main)
	if main != nil && untold != "" {
		s += "; " + untold
	}
	return s + tl.caveat(main)
}

// alike says how many more held the main phase like its culprit: of the same
// kind, state and method, and for at least half as long. v is nil if nothing held
// the shutdown.
func (v *phaseView) alike() string {
	if v == nil || v.culprit == nil || v.culprit.Kind == HolderUserHook {
		return ""
	}
	n, c := 0, v.culprit
	for h := range v.everyone() {
		if h != c && !h.part && h.Kind == c.Kind && h.State == c.State && h.Method == c.Method &&
			2*h.Held >= c.Held {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d more like it", n)
}

// unsaid says how many clients a handshake wait kept from being told: until its
// end nobody gets a GOAWAY. main is nil if nothing held the shutdown.
func (tl *timeline) unsaid(main *phaseView) string {
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
	methods := tl.cutRPCs(false)
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
		s = "; the forced stop released it, cutting " + cut + tl.signalled(main)
	case ended:
		s = "; the forced stop released it"
	case forced && n > 0:
		s = "; the forced stop cut " + cut
	case n > 0:
		s = "; Stop cut " + cut
	}
	s += tl.endingHTTP()
	if tl.exits() {
		return s + tl.endingExit(main) // nothing is left behind
	}
	return s + tl.leftBehind(views)
}

// leftBehind names what was still there when the stop was over: handlers, or
// what held a stop that was given up.
func (tl *timeline) leftBehind(views []phaseView) string {
	if tl.endUnseen {
		return "; what it left behind was not seen, for want of time"
	}
	outlived := tl.outlived()
	n := cutTotal(outlived)
	if c := views[tl.lastOf(views)].culprit; tl.abandoned && c != nil {
		s := "; left behind: " + c.who()
		if c.Kind == HolderHandler && n > 1 {
			s += fmt.Sprintf(" and %d more", n-1)
		}
		return s
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d %s still ran when it returned: %s",
		n, plural(n, "handler"), cutMethods(outlived))
}

// outlived counts by method the handlers that were still running when the stop
// was over: Stop does not wait for them, unless WaitForHandlers is set. One that
// is just returning counts, too: it may use what is closed next.
func (tl *timeline) outlived() map[string]int {
	if tl.returned > tl.now || tl.exits() {
		return nil
	}
	var outlived map[string]int
	for i := range tl.rpcs {
		if r := &tl.rpcs[i]; r.begin <= tl.returned && r.end > tl.now {
			if outlived == nil {
				outlived = make(map[string]int)
			}
			outlived[r.counted()]++
		}
	}
	return outlived
}

// promptly is within what a handler returns that only waits for its context.
const promptly = time.Second

// signalled says that the handler that was to blame returned once its context
// was cancelled, which GracefulStop does not do. One in Recv or Send returned
// because its connection was closed.
func (tl *timeline) signalled(main *phaseView) string {
	c := main.culprit
	if c == nil || c.Kind != HolderRPC || c.State != stateInHandler || tl.ctxCancelled(c) ||
		tl.endUnseen {
		return ""
	}
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		if r.id != c.key.id || r.end == never {
			continue
		}
		if took := max(r.end-tl.forced, 0); took < promptly {
			return fmt.Sprintf("; its handler returned %s after the cancel: it only lacked a signal",
				Duration(took))
		}
	}
	return ""
}

// blamesRPC reports whether the culprit, which the verdict has named, is of one
// of the methods that were cut. ended says that the cut ended the phase.
func (v *phaseView) blamesRPC(cut map[string]int, ended bool) bool {
	return v != nil && v.culprit != nil && cut[cmp.Or(v.culprit.Method, methodsWithheld)] > 0 &&
		(ended || v.culprit.Kind == HolderHandler)
}

// longest is the phase that the verdict is about.
func (tl *timeline) longest(views []phaseView) *phaseView {
	first := 0
	for first < len(views)-1 && views[first].phase.isBefore() {
		first++ // what was asked for is no wait
	}
	main := &views[first]
	for i := first; i < len(views); i++ {
		if tl.endUnseen && views[i].start >= tl.forced {
			break // nobody can be blamed for it
		}
		if tl.is(ruleLongest, views[i].length(tl) > main.length(tl)) {
			main = &views[i]
		}
	}
	return main
}

func (tl *timeline) verdictSoFar(v *phaseView) string {
	s := fmt.Sprintf("%s for %s so far", v.phase, Duration(v.length(tl)))
	switch {
	case v.phase.isBefore():
		return s + tl.arrived()
	case v.culprit != nil:
		s += ": " + v.culprit.sentence() + v.alike()
	case v.length(tl) >= onlyScheduled:
		s += ": what holds it is not seen"
	}
	return s + tl.panicSoFar() + tl.caveat(v)
}

// caveat says what could not be seen. main is nil if nothing held the shutdown.
func (tl *timeline) caveat(main *phaseView) string {
	if tl.foreign {
		return ""
	}
	if tl.blind() && tl.onlyHTTP() {
		return " (its connections are an http.Server's, and not watched)" + tl.noStacks(main)
	}
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
		return tl.noStacks(main)
	}
	return tl.noStacks(main) + fmt.Sprintf(" (the frames of %d %s were not seen: wrap the server's credentials)",
		n, plural(n, "connection"))
}

// noStacks says why it is not known where a handler was, or what user code was
// there.
func (tl *timeline) noStacks(main *phaseView) string {
	if main == nil {
		return ""
	}
	d := tl.seen(main.phaseLine)
	if d == nil || d.skipped == "" || main.culprit != nil && main.culprit.Source != "" {
		return ""
	}
	return " (no stacks: " + d.skipped + ")"
}

// cutRPCs counts by method the RPCs that a forced stop cut: those whose
// connection was there when it began and whose handler had not returned.
// (An RPC that ended at that very moment was ended by it. One whose connection
// survived was not cut.) all says that those count, too, that were cut without
// one: see cutHTTP and cutByExit.
func (tl *timeline) cutRPCs(all bool) map[string]int {
	at, atHTTP := tl.forced, tl.forced
	if !tl.graceful {
		at, atHTTP = tl.closes(), 0
	}
	return tl.countRPCs(func(r *rpcLine) bool {
		if all && tl.cutsAtExit(r) {
			return true
		}
		if r.http {
			return r.wasCut(tl) && (all || r.cut >= atHTTP)
		}
		end := min(r.end, tl.freed(r))
		return at != never && r.begin <= at && end >= at && end <= tl.now
	})
}

// closes is when a Stop closes the connections: until the handshakes are over it
// waits, and RPCs go on to end by themselves.
func (tl *timeline) closes() time.Duration {
	for _, l := range tl.callPhases() {
		if l.phase == PhaseConnWait {
			return min(l.start, tl.forced)
		}
	}
	return tl.forced
}
