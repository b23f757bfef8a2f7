// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// worthShowing is the least that a part of a connection's end must have taken
// to get a bar of its own.
const worthShowing = time.Millisecond

const (
	// ownParts are the parts of a connection that are no RPC: GOAWAY ack and linger.
	ownParts = 2
	// partsAtOnce is for how many parts there is room in one allocation.
	partsAtOnce = 256
)

// goAwayShown is the least that a connection must have taken to send its first
// GOAWAY to be shown: on a busy machine all of them take some milliseconds.
const goAwayShown = 10 * time.Millisecond

// unsent returns the connections for whose first GOAWAY the GOAWAY phase waited.
func (tl *timeline) unsent(p phaseLine) (hs []holder) {
	for i := range tl.conns {
		c := &tl.conns[i]
		if !c.awaited(p.start) || min(c.goAway, p.end, tl.now)-p.start < goAwayShown {
			continue
		}
		if hs == nil {
			hs = make([]holder, 0, len(tl.conns)-i)
		}
		h := connHolder(c, "goaway")
		if tl.place(&h, p, c.settled, min(c.goAway, c.ending())) &&
			h.Held >= Duration(goAwayShown) {
			h.State, h.evidence = stateGoAwayUnsent, (*unsentEvidence)(c)
			h.Age = Duration(h.end - c.accepted)
			hs = append(hs, h)
		}
	}
	return hs
}

// unsentEvidence is of a connection that held the GOAWAY phase.
type unsentEvidence connLine

func (c *unsentEvidence) tell(_ *timeline, h *holder) {
	h.Detail = "the first GOAWAY has not left"
	if !h.Open && c.goAway <= h.end {
		h.Detail = "the first GOAWAY left after " + h.Held.String()
	}
}

// connections returns the connections that held conn wait, and the RPCs of which
// the connection is not known. Those that went on after the last connection was
// gone did not hold it.
func (tl *timeline) connections(p phaseLine) (hs []holder) {
	rpcs := tl.rpcsByConn()
	strays := tl.strays(p, rpcs[len(tl.conns)])
	hs = make([]holder, 0, 1+tl.left(p.start).Connections+len(strays))
	var parts []holder // of many connections: to copy them costs more than the rest
	for i := range tl.conns {
		c := &tl.conns[i]
		hs = append(hs, connHolder(c, ""))
		h := &hs[len(hs)-1]
		if !c.transport || !tl.place(h, p, c.settled, c.gone) {
			hs = hs[:len(hs)-1]
			continue
		}
		most := len(rpcs[i]) + ownParts
		if cap(parts)-len(parts) < most {
			parts = make([]holder, 0, max(most, partsAtOnce))
		}
		h.Age, h.children = Duration(h.end-c.accepted), parts[len(parts):len(parts):len(parts)+most]
		tl.connParts(h, p, c, rpcs[i], len(strays))
		parts = parts[:len(parts)+len(h.children)]
		h.children = slices.Clip(h.children)
	}
	return append(hs, strays...)
}

// strays returns the RPCs of unknown connections that held a phase.
func (tl *timeline) strays(p phaseLine, rpcs []*rpcLine) (hs []holder) {
	for _, r := range rpcs {
		if h, ok := tl.rpc(r, p, false); ok && (!tl.ended(p) || min(r.end, tl.freed(r)) <= p.end) {
			hs = append(hs, h)
		}
	}
	return hs
}

// rpcsByConn returns the RPCs of each connection, and last those of which the
// connection is not known.
func (tl *timeline) rpcsByConn() [][]*rpcLine {
	place := func(r *rpcLine) int {
		if r.conn < 0 {
			return len(tl.conns)
		}
		return r.conn
	}
	counts := make([]int, len(tl.conns)+1)
	for i := range tl.rpcs {
		counts[place(&tl.rpcs[i])]++
	}
	all, by := make([]*rpcLine, len(tl.rpcs)), make([][]*rpcLine, len(counts))
	for i, n := range counts {
		by[i], all = all[:0:n], all[n:]
	}
	for i := range tl.rpcs {
		at := place(&tl.rpcs[i])
		by[at] = append(by[at], &tl.rpcs[i])
	}
	return by
}

// ended reports whether a wait for connections was over: it was neither given up
// nor cut by a forced stop, and what went on after it did not hold it.
func (tl *timeline) ended(p phaseLine) bool {
	cut := p.phase == PhaseConnWait && p.end == tl.forced
	abandoned := tl.abandoned && p.end == tl.now
	return p.end != never && !cut && !abandoned
}

// survivors returns what a forced stop has not ended, or not at once. What it
// has ended at once was held by others, before. Stop waits for accept loops and
// handshakes before it closes connections: until then those were not at fault.
func (tl *timeline) survivors(p phaseLine) (hs []holder) {
	accepted := p.start
	for _, h := range slices.Concat(tl.acceptingListeners(p), tl.handshakes(p), tl.connections(p)) {
		if !h.Open {
			from := p.start
			if h.Kind == HolderConnection {
				from = accepted
			}
			if h.end-from < worthShowing {
				continue
			}
		}
		h.key.part = "forced"
		switch h.Kind {
		case HolderListener, HolderHandshake:
			accepted = max(accepted, h.end)
		case HolderConnection:
			h.tell()
			h.children, h.blame, h.State, h.Detail = nil, -1, "", "Stop has not ended it"
			if !h.Open {
				h.Detail = "Stop took " + h.Held.String() + " to end it"
			}
		}
		hs = append(hs, h)
	}
	return hs
}

func connHolder(c *connLine, part string) holder {
	h := holder{
		name: string(HolderConnection), key: holderKey{HolderConnection, c.id, part}, blame: -1,
	}
	h.Kind, h.Peer, h.UserAgent, h.Listener = HolderConnection, c.peer, c.agent, c.listener
	h.Connection = c.shown
	h.Local = string(c.where)
	return h
}

// connParts puts below a connection what it consisted of, and blames the part
// that held it longest on its way out: an RPC or the PING's acknowledgement,
// which run side by side, and then the linger. Of the first two the RPC is
// blamed if both still hold: for the other grpc waits 5 s at most.
// strays is how many RPCs there are of which the connection is not known.
func (tl *timeline) connParts(h *holder, p phaseLine, c *connLine, rpcs []*rpcLine, strays int) {
	ack, acked := tl.ack(c, p)
	if acked {
		h.children = append(h.children, ack)
	}
	e := &connEvidence{connLine: c, tl: tl, h: h, lastRPC: p.start, strays: strays}
	h.evidence = e
	incomplete := tl.onlyHalfOpen(c, rpcs)
	for _, r := range rpcs {
		rh, ok := tl.rpc(r, p, incomplete)
		if !ok {
			if r.cancelled <= h.end && r.end > h.end {
				e.ignoring++
			}
			continue
		}
		e.handlers++
		h.children = append(h.children, rh)
		if h.blame < 0 || tl.later(&rh, &h.children[h.blame]) {
			h.blame = len(h.children) - 1
		}
		e.lastRPC = max(e.lastRPC, rh.end)
	}
	if acked && !tl.is(ruleAckUnread, c.notRead(ack.start, ack.end)) &&
		(h.blame < 0 || tl.is(ruleAckLater, tl.later(&ack, &h.children[h.blame]))) {
		h.blame = 0
	}
	start := e.lastRPC
	if c.streamsDone != never {
		start = max(start, c.streamsDone)
	}
	if l, ok := tl.linger(c, p, start); ok {
		h.children = append(h.children, l)
		if tl.is(ruleLingerUnread, c.notRead(l.start, l.end)) {
			// The peer may have closed: nobody has looked.
		} else if h.blame < 0 || tl.is(ruleLinger, l.Open || l.Held > h.children[h.blame].Held) {
			h.blame = len(h.children) - 1
		}
	}
	if h.blame >= 0 && tl.is(ruleUnexplained, h.unexplained()) {
		h.blame = -1
	}
	e.state()
}

func connAttrs(c *connLine) []attr {
	attrs := []attr{{keyFramesSeen, c.frames}}
	if c.exchange {
		attrs = append(attrs, attr{keyGoAwaySent, c.goAway != never},
			attr{keyPingAcked, c.pingAck != never})
	}
	return append(attrs, c.lateAttrs()...)
}

// ack is the time from the first GOAWAY to the acknowledgement of the PING
// after it, or to the final GOAWAY that goes out after 5 s without.
func (tl *timeline) ack(c *connLine, p phaseLine) (holder, bool) {
	h := holder{
		name: "GOAWAY ack", key: holderKey{HolderConnection, c.id, "ack"}, blame: -1, part: true,
	}
	h.Kind, h.Peer, h.Connection = HolderConnection, c.peer, c.shown
	if c.goAway == never || !c.exchange {
		return h, false
	}
	end := min(c.pingAck, c.finalGoAw, c.closed, c.gone)
	if !tl.place(&h, p, c.goAway, end) || h.Held < Duration(worthShowing) {
		return h, false
	}
	if c.pingAck > h.end {
		h.State, h.Detail = statePingUnacked, "PING not acknowledged"
	}
	h.Age = Duration(h.end - c.goAway)
	h.attrs = []attr{{keyPingAcked, c.pingAck != never}}
	return h, true
}

// linger is the up to 1 s that grpc gives the peer to close first.
func (tl *timeline) linger(c *connLine, p phaseLine, lastRPC time.Duration) (holder, bool) {
	h := holder{
		name: "linger", key: holderKey{HolderConnection, c.id, "linger"}, blame: -1, part: true,
	}
	h.Kind, h.Peer, h.State = HolderConnection, c.peer, stateLinger
	h.Connection = c.shown
	h.Detail = "the peer did not close"
	if c.finalGoAw == never || c.streams > 0 { // its streams held it until the end
		return h, false
	}
	start := max(c.finalGoAw, lastRPC)
	ok := tl.place(&h, p, start, min(c.closed, c.gone)) && h.Held >= Duration(worthShowing)
	h.Age = h.Held
	return h, ok
}
