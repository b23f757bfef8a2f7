// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// The tables of docs/verdict.md's "What it was doing", each a function that goes
// through the rows from the top.

func handshakeIs(tl *timeline, c *connLine) string {
	for _, d := range tl.dumps {
		if c.accepted > d.at || handshakeOverAt(c) <= d.at {
			continue
		}
		goroutines, handshakes := 0, 0
		for _, hook := range d.hooks {
			switch hook.hook {
			case stateCredentials, stateCallback:
				goroutines += hook.count
			}
		}
		for i := range tl.conns {
			if other := &tl.conns[i]; other.accepted <= d.at && handshakeOverAt(other) > d.began {
				handshakes++
			}
		}
		if goroutines >= handshakes {
			return stateCallback
		}
	}
	switch c.stage {
	case watch.StageTLS:
		return stateTLS
	case watch.StagePreface:
		return statePreface
	}
	return stateTCP
}

// nobodyRead is whether grpc's reader did not read for half of a place, or does
// not at its end and has not for 1 s.
func nobodyRead(c *connLine, h *placed) bool {
	read, unread := time.Duration(0), time.Duration(0)
	for at := h.start; at < h.end; at += ms {
		if c.unread[0] <= at && at < c.unread[1] {
			unread += ms
		} else {
			read += ms
		}
	}
	nowNot := c.unread[0] <= h.end && h.end <= c.unread[1]
	return unread > 0 && unread >= read || nowNot && h.end-c.unread[0] >= sec
}

// connIs is what a connection was doing that keeps the blame in conn wait. rpcs
// are those among its parts.
func connIs(tl *timeline, p phaseLine, h *placed, rpcs []placed) string {
	c := h.conn
	half := h.held() / 2
	lastRPC := time.Duration(0)
	for _, r := range rpcs {
		lastRPC = max(lastRPC, r.end)
	}
	open := c.streams > 0
	switch {
	case !c.exchange:
		return ""
	case writeBlockedAt(c, h.end):
		return stateWriteBlocked
	case nobodyRead(c, h):
		return stateReaderBlocked
	case c.closed < h.end && h.end-max(c.closed, h.start) > max(half, 100*ms):
		return stateClosed
	case tl.graceful && c.goAway > h.end:
		return stateGoAwayUnsent
	case tl.graceful && c.goAway-h.start > half:
		return stateGoAwayUnsent
	case open && len(rpcs) > 0 && !outerInterceptor(tl, h):
		return stateBytesUnsent
	case open && c.halfOpen == c.streams && len(strayHolders(tl, p)) == 0 && noOuterInterceptor(tl, h):
		return stateIncomplete
	case open:
		return stateStreams
	case len(rpcs) > 0 && c.streamsDone != never && c.streamsDone-lastRPC > half &&
		!outerInterceptor(tl, h):
		return stateBytesUnsent
	case c.goAway < 0:
		return stateDraining
	}
	return ""
}

// noOuterInterceptor is what the first dump tells that was taken while a
// connection held and that was not skipped.
func noOuterInterceptor(tl *timeline, h *placed) bool {
	for _, d := range tl.dumps {
		if d.at < h.start || d.at > h.end || d.skipped != "" {
			continue
		}
		for _, hook := range d.hooks {
			if hook.hook == stateOuterInterceptor {
				return false
			}
		}
		return true
	}
	return false
}

// outerInterceptor is whether a dump shows one that was taken while a connection
// held.
func outerInterceptor(tl *timeline, h *placed) bool {
	for _, d := range tl.dumps {
		if d.at < h.start || d.at > h.end {
			continue
		}
		for _, hook := range d.hooks {
			if hook.hook == stateOuterInterceptor {
				return true
			}
		}
	}
	return false
}

func rpcIs(tl *timeline, h *placed) string {
	r := h.rpc
	stack, shown := dumped(tl, r)
	switch {
	case calledFromInside(tl, r):
		return stateFromInside
	case !r.stream && shown && stack.decoding:
		return stateIncomplete
	case !r.stream && h.kind == HolderRPC && h.still && !shown && messageNotEnded(tl, r):
		return stateIncomplete
	case r.stream && in(h, &r.send):
		return stateInSend
	case r.stream && in(h, &r.recv):
		return stateInRecv
	}
	return stateInHandler
}

func calledFromInside(tl *timeline, r *rpcLine) bool {
	if tl.inside == r.id {
		return true
	}
	for _, s := range tl.stops {
		if s.inside == r.id && s.returned > tl.now {
			return true
		}
	}
	return false
}

// dumped is what an RPC's dump shows of it.
func dumped(tl *timeline, r *rpcLine) (stack stackLine, shown bool) {
	for _, d := range tl.dumps {
		if s, ok := d.rpcs[r.id]; ok {
			stack, shown = s, true
		}
	}
	return stack, shown
}

// messageNotEnded is the part of "message not ended" that is about the
// connection.
func messageNotEnded(tl *timeline, r *rpcLine) bool {
	if r.conn == -1 {
		return false
	}
	c := &tl.conns[r.conn]
	running := 0
	for i := range tl.rpcs {
		other := &tl.rpcs[i]
		if other.conn != r.conn || other.end <= tl.now || freedAt(other, tl) <= tl.now {
			continue
		}
		if other.stream {
			return false
		}
		running++
	}
	return c.frames && c.streams >= running && c.halfOpen == c.streams
}

// in reports whether a stream was in Send, or in Recv.
func in(h *placed, o *operationLine) bool {
	inOneGo := min(o.until, h.end) - max(o.since, h.start)
	switch {
	case o.since == never:
		return false
	case inOneGo >= 0 && inOneGo >= h.held()/2:
		return true
	case h.kind == HolderHandler:
		return false
	}
	return o.held >= (h.end-max(0, h.rpc.begin))/2
}
