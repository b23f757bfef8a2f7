// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"
)

// worthShowing is the least that a part of a connection's end must have taken
// to get a bar of its own.
const worthShowing = time.Millisecond

// connections returns the connections that held a phase. In the GOAWAY phase
// they hold until their first GOAWAY has left, in conn wait until they are gone.
// A forced stop has none: what it cut was held by others before.
func (tl *timeline) connections(p phaseLine) (hs []holder) {
	if p.phase == PhaseForcedStop {
		return nil
	}
	rpcs := make([][]*rpcLine, len(tl.conns)+1) // the last: connection unknown
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		at := r.conn
		if at < 0 {
			at = len(tl.conns)
		}
		rpcs[at] = append(rpcs[at], r)
	}
	for i := range tl.conns {
		c := &tl.conns[i]
		if !c.transport {
			continue
		}
		h := holder{name: "connection", key: holderKey{HolderConnection, c.id, ""}, blame: -1}
		h.Kind, h.Peer, h.UserAgent, h.Listener = HolderConnection, c.peer, c.agent, c.listener
		if p.phase == PhaseGoAway {
			if tl.place(&h, p, c.settled, min(c.goAway, c.gone)) && h.Held >= Duration(worthShowing) {
				h.State, h.Detail = goAwayState(c, h.end)
				h.Age = Duration(h.end - c.accepted)
				hs = append(hs, h)
			}
			continue
		}
		if tl.place(&h, p, c.settled, c.gone) {
			h.Age = Duration(h.end - c.accepted)
			tl.connParts(&h, p, c, rpcs[i])
			hs = append(hs, h)
		}
	}
	if p.phase == PhaseConnWait {
		for _, r := range rpcs[len(tl.conns)] {
			if h, ok := tl.rpc(r, p); ok && (tl.blind() || h.Open || p.end == never) {
				hs = append(hs, h)
			}
		}
	}
	return hs
}

func goAwayState(c *connLine, at time.Duration) (State, string) {
	if c.writeSince <= at-goAwayLimit {
		return StateWriteBlocked, "a Write has been blocked for " + Duration(at-c.writeSince).String()
	}
	return StateGoAwayUnsent, "the first GOAWAY has not left"
}

// connParts puts below a connection what it consisted of, and names the part
// that held it longest on its way out: an RPC or the PING's acknowledgement,
// which run side by side, and then the linger.
func (tl *timeline) connParts(h *holder, p phaseLine, c *connLine, rpcs []*rpcLine) {
	h.attrs = []attr{{keyFramesSeen, c.frames}}
	if c.frames {
		h.attrs = append(h.attrs, attr{keyGoAwaySent, c.goAway != never},
			attr{keyPingAcked, c.pingAck != never})
	}
	if c.late > 0 {
		h.attrs = append(h.attrs, attr{keyLate, c.late})
	}
	body := -1 // the child that ended last before the linger
	if ack, ok := tl.ack(c, p); ok {
		h.children = append(h.children, ack)
		body = 0
	}
	lastRPC := p.start
	for _, r := range rpcs {
		rh, ok := tl.rpc(r, p)
		if !ok {
			continue
		}
		h.children = append(h.children, rh)
		if body < 0 || later(&rh, &h.children[body]) {
			body = len(h.children) - 1
		}
		lastRPC = max(lastRPC, rh.end)
	}
	if c.streamsDone != never {
		lastRPC = max(lastRPC, c.streamsDone)
	}
	h.blame = body
	if l, ok := tl.linger(c, p, lastRPC); ok {
		h.children = append(h.children, l)
		if body < 0 || l.Held > h.children[body].Held {
			h.blame = len(h.children) - 1
		}
	}
	tl.connState(h, c)
}

// connState says in a connection's own words what its parts say.
func (tl *timeline) connState(h *holder, c *connLine) {
	var parts []string
	for i := range h.children {
		if part := &h.children[i]; part.State == StatePingUnacked || part.State == StateLinger {
			parts = append(parts, fmt.Sprintf("%s for %s", part.Detail, part.Held))
		}
	}
	switch {
	case h.blame >= 0 && h.children[h.blame].Kind == HolderConnection:
		h.State, h.Detail = h.children[h.blame].State, strings.Join(parts, ", then ")
	case h.blame >= 0: // the RPC says it
	case c.frames && c.goAway == never:
		h.State, h.Detail = goAwayState(c, h.end)
	case c.streams > 0:
		h.State = StateStreams
		h.Detail = fmt.Sprintf("%d %s open that no handler is seen to have",
			c.streams, plural(c.streams, "stream"))
	case !c.frames:
		h.Detail = "its frames were not seen"
	}
}

// later reports whether a let go after b. Of two that still hold, or let go at
// the same moment, the one that is listed first is blamed: the older one.
func later(a, b *holder) bool {
	if a.Open != b.Open {
		return a.Open
	}
	return a.end > b.end
}

// ack is the time from the first GOAWAY to the acknowledgement of the PING
// after it, or to the final GOAWAY that goes out after 5 s without.
func (tl *timeline) ack(c *connLine, p phaseLine) (holder, bool) {
	h := holder{name: "GOAWAY ack", key: holderKey{HolderConnection, c.id, "ack"}, blame: -1}
	h.Kind, h.Peer = HolderConnection, c.peer
	if c.goAway == never || !c.frames {
		return h, false
	}
	end := min(c.pingAck, c.finalGoAw, c.gone)
	if !tl.place(&h, p, c.goAway, end) {
		return h, false
	}
	if c.pingAck > h.end && h.Held >= Duration(worthShowing) {
		h.State, h.Detail = StatePingUnacked, "PING not acknowledged"
	}
	h.Age = Duration(h.end - c.goAway)
	h.attrs = []attr{{keyPingAcked, c.pingAck != never}}
	return h, true
}

// linger is the up to 1 s that grpc gives the peer to close first.
func (tl *timeline) linger(c *connLine, p phaseLine, lastRPC time.Duration) (holder, bool) {
	h := holder{name: "linger", key: holderKey{HolderConnection, c.id, "linger"}, blame: -1}
	h.Kind, h.Peer, h.State = HolderConnection, c.peer, StateLinger
	h.Detail = "the peer did not close"
	if c.finalGoAw == never || c.streams > 0 && c.gone == never {
		return h, false
	}
	start := max(c.finalGoAw, lastRPC)
	ok := tl.place(&h, p, start, c.gone) && h.Held >= Duration(worthShowing)
	h.Age = h.Held
	return h, ok
}
