// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// The culprit's twin: docs/verdict.md put into code, a function a paragraph.
// It knows nothing of the real one but the types of what is seen, and cares
// neither for speed nor for words.

// placed is a holder and its place in a phase.
type placed struct {
	kind       HolderKind
	id         uint64
	start, end time.Duration
	still      bool // it still holds
	conn       *connLine
	rpc        *rpcLine
}

// held is how long it held the phase.
func (h *placed) held() time.Duration { return h.end - h.start }

// place is the first paragraph of "Holders".
func place(tl *timeline, p phaseLine, h placed, from, to time.Duration) []placed {
	if to <= p.start || from >= p.end {
		return nil
	}
	h.start = max(from, p.start)
	h.end = min(to, p.end, tl.now)
	h.still = to > tl.now
	return []placed{h}
}

// What follows is the paragraph below the table of "What is known".

func freedAt(r *rpcLine, tl *timeline) time.Duration {
	if r.conn == -1 {
		return r.cancelled
	}
	return min(r.cancelled, tl.conns[r.conn].gone)
}

func handshakeOverAt(c *connLine) time.Duration {
	unserved := c.handshake == never
	if unserved {
		return min(c.settled, c.closed)
	}
	return c.settled
}

func writeBlockedAt(c *connLine, at time.Duration) bool {
	inFlight := c.writeSince != never && c.writeSince <= at
	if inFlight && at-c.writeSince >= sec {
		return true
	}
	since, until := c.longWrite[0], c.longWrite[1]
	ended := since != never && since <= at && at <= until
	return ended && at-since >= sec
}

// listed are the holders of a phase: the table, row by row, in its order.
func listed(tl *timeline, p phaseLine) []placed {
	var hs []placed
	switch p.phase {
	case PhaseQuit:
		hs = stopCallHolders(tl, p)
	case PhaseListenerClose:
		hs = closingHolders(tl, p)
	case PhaseHandshakeWait:
		hs = append(acceptHolders(tl, p), handshakeHolders(tl, p)...)
	case PhaseGoAway:
		hs = unsentHolders(tl, p)
	case PhaseConnWait:
		hs = append(connHolders(tl, p), strayHolders(tl, p)...)
	case PhaseForcedStop:
		hs = forcedHolders(tl, p)
	case PhaseHandlerWait:
		for i := range tl.rpcs {
			r := &tl.rpcs[i]
			hs = append(hs, place(tl, p, placed{kind: HolderHandler, id: r.id, rpc: r}, r.begin, r.end)...)
		}
	}
	slices.SortStableFunc(hs, func(a, b placed) int {
		switch {
		case a.start < b.start:
			return -1
		case a.start > b.start:
			return 1
		}
		return 0
	})
	return hs
}

func stopCallHolders(tl *timeline, p phaseLine) []placed {
	d := lastDump(tl, p)
	if d == nil || d.stop != stopInMutex {
		return nil
	}
	return place(tl, p, placed{kind: HolderStopCall}, p.start, p.end)
}

func closingHolders(tl *timeline, p phaseLine) (hs []placed) {
	for i := range tl.listeners {
		l := &tl.listeners[i]
		h := placed{kind: HolderListener, id: uint64(i)}
		for _, h := range place(tl, p, h, l.closeBegin, l.closeEnd) {
			if len(tl.listeners) > 1 || h.held() >= ms {
				hs = append(hs, h)
			}
		}
	}
	return hs
}

func acceptHolders(tl *timeline, p phaseLine) (hs []placed) {
	for i := range tl.listeners {
		h := placed{kind: HolderListener, id: uint64(i)}
		for _, h := range place(tl, p, h, p.start, tl.listeners[i].acceptReturned) {
			if h.held() >= ms {
				hs = append(hs, h)
			}
		}
	}
	return hs
}

func handshakeHolders(tl *timeline, p phaseLine) (hs []placed) {
	for i := range tl.conns {
		c := &tl.conns[i]
		h := placed{kind: HolderHandshake, id: c.id, conn: c}
		hs = append(hs, place(tl, p, h, c.accepted, handshakeOverAt(c))...)
	}
	return hs
}

func unsentHolders(tl *timeline, p phaseLine) (hs []placed) {
	for i := range tl.conns {
		c := &tl.conns[i]
		switch {
		case !c.transport, !c.exchange, writeBlockedAt(c, p.start):
			continue
		case c.goAway <= p.start, c.closing <= p.start, c.closed <= p.start, c.gone <= p.start:
			continue
		}
		h := placed{kind: HolderConnection, id: c.id, conn: c}
		for _, h := range place(tl, p, h, c.settled, min(c.goAway, c.closing, c.closed, c.gone)) {
			if h.held() >= 10*ms {
				hs = append(hs, h)
			}
		}
	}
	return hs
}

func connHolders(tl *timeline, p phaseLine) (hs []placed) {
	for i := range tl.conns {
		if c := &tl.conns[i]; c.transport {
			h := placed{kind: HolderConnection, id: c.id, conn: c}
			hs = append(hs, place(tl, p, h, c.settled, c.gone)...)
		}
	}
	return hs
}

// strayHolders are the RPCs of which the connection is not known.
func strayHolders(tl *timeline, p phaseLine) (hs []placed) {
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		to := min(r.end, freedAt(r, tl))
		cut := p.phase == PhaseConnWait && p.end == tl.forced || tl.abandoned && p.end == tl.now
		if r.conn != -1 || p.end != never && !cut && to > p.end {
			continue
		}
		hs = append(hs, place(tl, p, placed{kind: HolderRPC, id: r.id, rpc: r}, r.begin, to)...)
	}
	return hs
}

func forcedHolders(tl *timeline, p phaseLine) (hs []placed) {
	for _, h := range append(acceptHolders(tl, p), handshakeHolders(tl, p)...) {
		if h.still || h.end-p.start >= ms {
			hs = append(hs, h)
		}
	}
	countsFrom := p.start
	for _, h := range hs {
		if !h.still {
			countsFrom = max(countsFrom, h.end)
		}
	}
	for _, h := range connHolders(tl, p) {
		if h.still || h.end-countsFrom >= ms {
			hs = append(hs, h)
		}
	}
	for _, h := range strayHolders(tl, p) {
		if h.still || h.end-p.start >= ms {
			hs = append(hs, h)
		}
	}
	return hs
}

// connRPCs are the RPCs of a connection that hold a phase.
func connRPCs(tl *timeline, p phaseLine, c *connLine) (hs []placed) {
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		if r.conn == -1 || &tl.conns[r.conn] != c {
			continue
		}
		h := placed{kind: HolderRPC, id: r.id, rpc: r}
		hs = append(hs, place(tl, p, h, r.begin, min(r.end, freedAt(r, tl)))...)
	}
	return hs
}

func ackOf(tl *timeline, p phaseLine, c *connLine) *placed {
	if !c.exchange || c.goAway > tl.now {
		return nil
	}
	to := min(c.pingAck, c.finalGoAw, c.closed, c.gone)
	for _, h := range place(tl, p, placed{conn: c}, c.goAway, to) {
		if h.held() >= ms {
			return &h
		}
	}
	return nil
}

func lingerOf(tl *timeline, p phaseLine, c *connLine) *placed {
	if c.finalGoAw > tl.now || c.streams > 0 {
		return nil
	}
	from := max(c.finalGoAw, p.start)
	for _, r := range connRPCs(tl, p, c) {
		from = max(from, r.end)
	}
	if c.streamsDone != never {
		from = max(from, c.streamsDone)
	}
	for _, h := range place(tl, p, placed{conn: c}, from, min(c.closed, c.gone)) {
		if h.held() >= ms {
			return &h
		}
	}
	return nil
}

// lastDump is the last that was taken in a phase that took time.
func lastDump(tl *timeline, p phaseLine) (last *dump) {
	if p.start == p.end {
		return nil
	}
	for i := range tl.dumps {
		if d := &tl.dumps[i]; d.at >= p.start && d.at <= p.end {
			last = d
		}
	}
	return last
}
