// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"
)

// connEvidence is what tells the state of a connection that held a phase.
type connEvidence struct {
	*connLine
	tl       *timeline
	h        *holder
	handlers int                        // RPCs that held it
	lastRPC  time.Duration              // when the last of those let go
	strays   int                        // RPCs of unknown connections: perhaps of this one
	ignoring int                        // handlers of RPCs that the client has cancelled
	detail   func(*connEvidence) string // nil: there is none
}

// connState is a row of the connection's table in docs/verdict.md.
type connState struct {
	rule   rule
	state  string
	when   func(*connEvidence) bool
	detail func(*connEvidence) string
}

// readerBlocked is for how long a reader must not have read to count as blocked.
const readerBlocked = time.Second

// letsGo is within what grpc lets go of a connection whose socket is closed, on a
// machine that is not starved.
const letsGo = 100 * time.Millisecond

// connStates are tried from the top, for a connection of which no part explains
// what it held.
var connStates = []connState{
	{
		ruleUnseen, "", func(e *connEvidence) bool { return !e.exchange },
		func(*connEvidence) string { return "its frames were not seen" },
	}, {
		ruleWriting, stateWriteBlocked,
		func(e *connEvidence) bool { _, ok := e.blocked(e.h.end); return ok },
		func(e *connEvidence) string {
			since, _ := e.blocked(e.h.end)
			return "a Write has been blocked for " + Duration(e.h.end-since).String()
		},
	}, {
		ruleNotReading, stateReaderBlocked,
		func(e *connEvidence) bool { return e.notRead(e.h.start, e.h.end) },
		(*connEvidence).notReading,
	}, {
		ruleClosed, stateClosed,
		func(e *connEvidence) bool { return e.shut() > max(e.half(), letsGo) },
		func(e *connEvidence) string {
			return "grpc has not let go of it for " + Duration(e.shut()).String() +
				" after its socket was closed: code outside of the handlers"
		},
	}, {
		ruleUnsent, stateGoAwayUnsent,
		func(e *connEvidence) bool { return e.tl.graceful && e.goAway > e.h.end },
		func(*connEvidence) string { return "the first GOAWAY has not left" },
	}, {
		ruleLateGoAway, stateGoAwayUnsent,
		func(e *connEvidence) bool { return e.tl.graceful && e.goAway-e.h.start > e.half() },
		func(e *connEvidence) string {
			return "its first GOAWAY left only after " + Duration(e.goAway-e.h.start).String()
		},
	}, {
		ruleUnsentBytes, stateBytesUnsent,
		func(e *connEvidence) bool { return e.streams > 0 && e.handlers > 0 && !e.tl.interceptor(e.h) },
		func(e *connEvidence) string {
			return fmt.Sprintf("%d %s still open although the handlers have returned: "+
				"the client does not read the answer%s", e.streams, plural(e.streams, "stream"), e.unless())
		},
	}, {
		ruleIncomplete, stateIncomplete,
		func(e *connEvidence) bool {
			return e.streams > 0 && e.halfOpen >= e.streams && e.strays == 0 && e.tl.noInterceptor(e.h)
		},
		func(e *connEvidence) string {
			return fmt.Sprintf("%d %s open on which the client has not sent its message",
				e.streams, plural(e.streams, "stream"))
		},
	}, {
		ruleNoHandler, stateStreams, func(e *connEvidence) bool { return e.streams > 0 },
		func(e *connEvidence) string {
			return fmt.Sprintf("%d %s open that no handler is seen to have: "+
				"an answer that is not read, a message that has not come, or code outside of the handlers",
				e.streams, plural(e.streams, "stream"))
		},
	}, {
		ruleSentLate, stateBytesUnsent,
		func(e *connEvidence) bool {
			return e.handlers > 0 && e.streamsDone != never && e.streamsDone-e.lastRPC > e.half() &&
				!e.tl.interceptor(e.h)
		},
		func(e *connEvidence) string {
			return fmt.Sprintf("its last stream was closed %s after the handlers had returned: "+
				"the client did not read the answer%s", Duration(e.streamsDone-e.lastRPC), e.unless())
		},
	}, {
		ruleDraining, stateDraining, func(e *connEvidence) bool { return e.goAway < 0 },
		(*connEvidence).drained,
	},
}

// half of what the connection held.
func (e *connEvidence) half() time.Duration { return (e.h.end - e.h.start) / 2 }

// shut is for how long the connection held with its socket closed.
func (e *connEvidence) shut() time.Duration { return e.h.end - max(e.closed, e.h.start) }

// notReading says what keeps grpc's reader from reading, as far as it is known.
func (e *connEvidence) notReading() string {
	s := "nothing has been read from it for " + Duration(min(e.unread[1], e.h.end)-e.unread[0]).String()
	if e.unread[1] < e.h.end {
		s = "nothing was read from it for " + Duration(e.unread[1]-e.unread[0]).String()
	}
	if e.ignoring > 0 {
		return fmt.Sprintf("%s: %d %s of cancelled RPCs still %s, which use up its stream quota",
			s, e.ignoring, plural(e.ignoring, "handler"), verb(e.ignoring, "runs", "run"))
	}
	return s
}

func (e *connEvidence) drained() string {
	return fmt.Sprintf("its GOAWAY left %s before the stop (%s): it gets no new one",
		Duration(-e.goAway), e.reason("max age or max idle"))
}

// reason says why a connection was draining before the stop; else is what grpc does
// by itself.
func (c *connLine) reason(otherwise string) string {
	if c.byPlane {
		return "its listener was changed or taken away by the control plane"
	}
	return otherwise
}

// state says in a connection's own words what its parts say, or what is known
// where they explain nothing.
func (e *connEvidence) state() {
	h := e.h
	if h.blame >= 0 {
		blamed := &h.children[h.blame]
		switch {
		case blamed.Kind == HolderConnection:
			h.State, e.detail = blamed.State, (*connEvidence).partDetails
		case e.goAway < 0: // the RPC says the rest
			h.State, e.detail = stateDraining, (*connEvidence).drained
		}
		return
	}
	for i := range connStates {
		if s := &connStates[i]; e.tl.is(s.rule, s.when(e)) {
			h.State, e.detail = s.state, s.detail
			return
		}
	}
}

func (e *connEvidence) tell(_ *timeline, h *holder) {
	e.h, h.attrs = h, connAttrs(e.connLine)
	if e.detail != nil {
		h.Detail = e.detail(e)
	}
}

// partDetails tells of the parts of a connection that are not RPCs.
func (e *connEvidence) partDetails() string {
	var parts []string
	for i := range e.h.children {
		if c := &e.h.children[i]; c.State == statePingUnacked || c.State == stateLinger {
			parts = append(parts, fmt.Sprintf("%s for %s", c.Detail, c.Held))
		}
	}
	return strings.Join(parts, ", then ")
}

// unexplained reports whether a connection held for longer before and after its
// parts than the part that would be blamed for it, or still holds while that
// part has let go.
func (h *holder) unexplained() bool {
	blamed := &h.children[h.blame]
	if h.Open != blamed.Open {
		return true
	}
	first, last := h.end, h.start
	for i := range h.children {
		first, last = min(first, h.children[i].start), max(last, h.children[i].end)
	}
	return Duration(first-h.start+h.end-last) > blamed.Held
}

// onlyHalfOpen reports whether the client has ended its side of no stream that
// is open on a connection although its RPCs in flight are unary: their messages
// are not complete.
func (tl *timeline) onlyHalfOpen(c *connLine, rpcs []*rpcLine) bool {
	unary := 0
	for _, r := range rpcs {
		switch {
		case r.begin > tl.now || min(r.end, tl.freed(r)) <= tl.now:
		case r.stream:
			return false
		default:
			unary++
		}
	}
	return c.frames && unary > 0 && c.streams >= unary && c.halfOpen >= c.streams
}

// interceptor reports whether the goroutines have shown an interceptor outside of
// ours while a connection held: it may have a stream for which no handler is
// seen.
func (tl *timeline) interceptor(h *holder) bool {
	for i := range tl.dumps {
		d := &tl.dumps[i]
		if d.at >= h.start && d.at <= h.end && d.has(stateOuterInterceptor) {
			return true
		}
	}
	return false
}

// unless is the other thing that a stream without a handler may be in, if no dump
// has shown that it is not.
func (e *connEvidence) unless() string {
	if e.tl.noInterceptor(e.h) {
		return ""
	}
	return ", or an interceptor has its stream"
}

// noInterceptor reports whether the goroutines have shown that no interceptor
// outside of ours has the streams for which no handler is seen.
func (tl *timeline) noInterceptor(h *holder) bool {
	for i := range tl.dumps {
		d := &tl.dumps[i]
		if d.skipped == "" && d.at >= h.start && d.at <= h.end {
			return !d.has(stateOuterInterceptor)
		}
	}
	return false
}
