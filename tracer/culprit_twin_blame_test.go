// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// The table of docs/verdict.md's "Who is blamed", a function a row or two.

// accused is a culprit as the two are compared.
type accused struct {
	kind  HolderKind
	id    uint64
	state string
}

// suspect is an accused while the rules are gone through.
type suspect struct {
	accused
	*placed

	keeps bool // a connection, and no part of it is blamed
}

// whoIsBlamed is the table of "Who is blamed", from the top.
func whoIsBlamed(tl *timeline, p phaseLine) *accused {
	hs := listed(tl, p)
	if r := waitsForItself(tl, p, hs); r != nil {
		return r
	}
	last := letGoLast(hs)
	if last != nil && nobodyAtTheEnd(tl, p, last) {
		last = nil
	}
	var s *suspect
	if last != nil {
		s = suspected(tl, p, last)
	}
	s = ofUnknownConnection(tl, hs, s)
	s = businessFirst(tl, p, hs, s)
	if s == nil {
		return hookInstead(tl, p)
	}
	switch s.state {
	case stateStreams, stateReaderBlocked, stateClosed, stateGoAwayUnsent, "":
		if hook := hookInstead(tl, p); s.keeps && hook != nil {
			return hook
		}
	}
	return &s.accused
}

// suspected is the holder that let go last, or its part.
func suspected(tl *timeline, p phaseLine, h *placed) *suspect {
	s := &suspect{accused{h.kind, h.id, ""}, h, false}
	switch {
	case h.kind == HolderStopCall:
		s.state = stateBlocked
	case h.kind == HolderHandshake:
		s.state = handshakeIs(tl, h.conn)
	case h.rpc != nil:
		s.state = rpcIs(tl, h)
	case h.kind == HolderConnection && p.phase == PhaseConnWait:
		return passOn(tl, p, h)
	case h.kind == HolderConnection:
		s.keeps = true
		if p.phase == PhaseGoAway {
			s.state = stateGoAwayUnsent
		}
	}
	return s
}

// withParts are the holders, after each its parts that are RPCs.
func withParts(tl *timeline, p phaseLine, hs []placed) (all []placed) {
	for _, h := range hs {
		all = append(all, h)
		if h.kind == HolderConnection && p.phase == PhaseConnWait {
			all = append(all, connRPCs(tl, p, h.conn)...)
		}
	}
	return all
}

// waitsForItself is the rule "called from inside".
func waitsForItself(tl *timeline, p phaseLine, hs []placed) *accused {
	for _, r := range withParts(tl, p, hs) {
		inside := r.rpc != nil && calledFromInside(tl, r.rpc)
		if inside && (r.still || r.end == p.end) {
			return &accused{r.kind, r.id, stateFromInside}
		}
	}
	return nil
}

// nobodyAtTheEnd is the rule of that name.
func nobodyAtTheEnd(tl *timeline, p phaseLine, h *placed) bool {
	if p.end == never && !h.still && p.phase != PhaseHandlerWait {
		return true
	}
	phaseEnd := min(p.end, tl.now)
	return phaseEnd-h.end > (phaseEnd-p.start)/2
}

// ofUnknownConnection is the rule "unknown connection".
func ofUnknownConnection(tl *timeline, hs []placed, s *suspect) *suspect {
	if s == nil || s.state != stateStreams {
		return s
	}
	var strays []placed
	for _, h := range hs {
		if h.kind == HolderRPC {
			strays = append(strays, h)
		}
	}
	return unlessLater(tl, s, letGoLast(strays))
}

// businessFirst is the rule of that name.
func businessFirst(tl *timeline, p phaseLine, hs []placed, s *suspect) *suspect {
	if s == nil || s.rpc == nil || !ofInfrastructure(s.rpc) {
		return s
	}
	var others []placed
	for _, h := range withParts(tl, p, hs) {
		if h.rpc != nil && !ofInfrastructure(h.rpc) {
			others = append(others, h)
		}
	}
	return unlessLater(tl, s, letGoLast(others))
}

// unlessLater is an RPC that is blamed instead of a suspect who did not let go
// later.
func unlessLater(tl *timeline, s *suspect, rpc *placed) *suspect {
	if rpc == nil || letsGoLater(s.placed, rpc) {
		return s
	}
	return &suspect{accused{rpc.kind, rpc.id, rpcIs(tl, rpc)}, rpc, false}
}

func ofInfrastructure(r *rpcLine) bool { return r.method == healthWatch }

// letsGoLater are the rules "still holds" and "let go last", of two.
func letsGoLater(a, b *placed) bool {
	if a.still != b.still {
		return a.still
	}
	return a.end > b.end
}

func letGoLast(hs []placed) (last *placed) {
	for i := range hs {
		if last == nil || letsGoLater(&hs[i], last) {
			last = &hs[i]
		}
	}
	return last
}

// passOn are the rules by which a connection in conn wait passes the blame on,
// or keeps it.
func passOn(tl *timeline, p phaseLine, h *placed) *suspect {
	rpcs := connRPCs(tl, p, h.conn)
	ack, linger := ackOf(tl, p, h.conn), lingerOf(tl, p, h.conn)

	part := letGoLast(rpcs)
	if ack != nil && !nobodyRead(h.conn, ack) && (part == nil || letsGoLater(ack, part)) {
		part = ack
	}
	if linger != nil && !nobodyRead(h.conn, linger) &&
		(part == nil || linger.still || linger.held() > part.held()) {
		part = linger
	}

	parts := slices.Clone(rpcs)
	if ack != nil {
		parts = append(parts, *ack)
	}
	if linger != nil {
		parts = append(parts, *linger)
	}
	s := &suspect{accused{h.kind, h.id, ""}, h, false}
	switch {
	case part == nil || h.still != part.still || unexplained(h, parts) > part.held():
		s.keeps, s.state = true, connIs(tl, p, h, rpcs)
	case part == linger:
		s.state = stateLinger
	case part == ack:
		if h.conn.pingAck > ack.end {
			s.state = statePingUnacked
		}
	default:
		return &suspect{accused{part.kind, part.id, rpcIs(tl, part)}, part, false}
	}
	return s
}

// unexplained is the time that a connection held before its first part and
// after its last.
func unexplained(h *placed, parts []placed) time.Duration {
	first, last := parts[0].start, parts[0].end
	for _, part := range parts {
		first, last = min(first, part.start), max(last, part.end)
	}
	return first - h.start + h.end - last
}

// hookInstead is the rule "user hook".
func hookInstead(tl *timeline, p phaseLine) *accused {
	var wanted []string
	switch p.phase {
	case PhaseHandshakeWait:
		wanted = []string{stateCredentials, stateCallback}
	case PhaseGoAway, PhaseConnWait, PhaseForcedStop:
		wanted = []string{stateTapHandle, stateStatsHandler, stateOuterInterceptor}
	case PhaseHandlerWait:
		wanted = []string{stateOuterInterceptor, stateStatsHandler}
	}
	if d := lastDump(tl, p); d != nil {
		for i, hook := range d.hooks {
			if slices.Contains(wanted, hook.hook) {
				return &accused{HolderUserHook, uint64(i), hook.hook}
			}
		}
	}
	return nil
}

// longestOf is the phase that the verdict is about.
func longestOf(tl *timeline, lines []phaseLine) (main Phase) {
	longest := time.Duration(-1)
	for _, p := range lines {
		if took := min(p.end, tl.now) - p.start; took > longest {
			longest, main = took, p.phase
		}
	}
	return main
}
