// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"
)

// rpc returns an RPC as a holder of a connection: until its handler returned,
// the client cancelled it, or its connection was gone. incomplete says that the
// client has not ended its side of any stream of the connection.
func (tl *timeline) rpc(r *rpcLine, p phaseLine, incomplete bool) (holder, bool) {
	end := min(r.end, tl.freed(r))
	if end <= p.start || r.begin >= p.end {
		return holder{}, false // as place would say, for less
	}
	h := tl.rpcHolder(r, HolderRPC)
	if !tl.place(&h, p, r.begin, end) {
		return h, false
	}
	h.Age = Duration(h.end - r.begin)
	h.State = tl.rpcState(r, &h, incomplete)
	return h, true
}

func (r *rpcLine) tell(tl *timeline, h *holder) {
	h.name = withMethod(string(h.Kind), r.method.Short)
	tl.locate(h, r.id)
	if r.deadline != never {
		h.attrs = append(h.attrs, attr{keyDeadlineLeft, (r.deadline - min(r.end, tl.now)).Seconds()})
	}
	if r.stream {
		h.attrs = append(h.attrs, attr{keyReceived, r.recv.count}, attr{keySent, r.send.count})
	}
	if h.Kind == HolderHandler {
		tl.tellHandler(h, r)
		return
	}
	words := tl.lateRPC(r)
	words = append(words, deadline(r, h.end)...)
	h.Detail = strings.Join(append(words, tl.rpcDetail(r, h)...), ", ")
}

// incomplete says what has not come of a message. That the client has not ended
// its side of the stream may mean that it never does.
func (tl *timeline) incomplete(r *rpcLine) string {
	if s, _ := tl.stack(r.id); s.decoding {
		return "the client has not sent all of its message"
	}
	return "the client has not ended its message"
}

// lateRPC says of an RPC that it came when the server was stopping, which a
// connection takes until its final GOAWAY.
func (tl *timeline) lateRPC(r *rpcLine) []string {
	if r.begin <= 0 || !tl.graceful {
		return nil
	}
	s := "begun " + Duration(r.begin).String() + " after the call"
	if r.conn >= 0 {
		if w, ok := tl.conns[r.conn].window(); ok && w >= worthShowing {
			s += ", " + Duration(w).String() + " between its connection's GOAWAYs"
		}
	}
	return []string{s}
}

// tellHandler says what a handler does whose connection is gone.
func (tl *timeline) tellHandler(h *holder, r *rpcLine) {
	if h.State == stateFromInside {
		h.Detail = strings.Join(tl.rpcDetail(r, h), ", ")
	} else if since := tl.freed(r); since < h.end {
		h.Detail = ignoredFor(since, h)
		if r.deadline <= h.end {
			h.Detail = "deadline passed, " + h.Detail
		}
		if where := tl.at(r); where != "" && (h.Open || h.end-since >= promptly) {
			h.Detail += ", last seen" + where
		}
		h.attrs = append(h.attrs, attr{keyCtxCancelled, (h.end - max(since, 0)).Seconds()})
	}
}

// handlers returns the handlers that were still running when the last
// connection was gone.
func (tl *timeline) handlers(p phaseLine) (hs []holder) {
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		if r.end <= p.start || r.begin >= p.end {
			continue // as place would say, for less
		}
		h := tl.rpcHolder(r, HolderHandler)
		if !tl.place(&h, p, r.begin, r.end) {
			continue
		}
		h.Age = Duration(h.end - r.begin)
		h.State = tl.rpcState(r, &h, false)
		hs = append(hs, h)
	}
	return hs
}

// ignoredFor says for how long a handler has ignored that its context is
// cancelled.
func ignoredFor(since time.Duration, h *holder) string {
	ignored := Duration(h.end - max(since, 0)).String()
	if since < 0 {
		return "its ctx was cancelled before the stop and is ignored"
	}
	if h.Open {
		return "ignores its ctx, cancelled " + ignored + " ago"
	}
	return "returned " + ignored + " after its ctx was cancelled"
}

func (tl *timeline) rpcHolder(r *rpcLine, kind HolderKind) holder {
	h := holder{
		key: holderKey{kind, r.id, ""}, blame: -1, link: r.span, evidence: r, tl: tl,
	}
	h.Kind, h.Method, h.Peer, h.UserAgent = kind, r.method.Name, r.peer, r.agent
	h.Original, h.Connection = clean(r.method.Original), r.shown
	tl.whose(&h, r)
	if r.http {
		h.Transport = transportHTTP
	}
	return h
}

// rpcState is what the handler did for most of the time it held.
func (tl *timeline) rpcState(r *rpcLine, h *holder, incomplete bool) string {
	stack, known := tl.stack(r.id)
	switch {
	case tl.stopFrom(r) != "":
		return stateFromInside
	case tl.is(ruleDecoding, !r.stream && stack.decoding),
		tl.is(ruleHalfOpen, incomplete && !r.stream && h.Open && !known):
		return stateIncomplete
	case tl.is(ruleInSend, r.mostly(&r.send, h)):
		return stateInSend
	case tl.is(ruleInRecv, r.mostly(&r.recv, h)):
		return stateInRecv
	}
	return stateInHandler
}

// mostly reports whether a stream was in Recv or Send for half of what it held,
// in one go; or since the call in many, if its connection was there: without one
// they return at once.
func (r *rpcLine) mostly(o *operationLine, h *holder) bool {
	if !r.stream || o.since == never {
		return false
	}
	met := o.since <= h.end && o.until >= h.start
	if met && 2*o.overlap(h.start, h.end) >= h.end-h.start {
		return true
	}
	return h.Kind == HolderRPC && 2*o.held >= h.end-max(r.begin, 0)
}

func deadline(r *rpcLine, at time.Duration) []string {
	switch {
	case r.deadline == never:
		return []string{"no deadline"}
	case r.deadline <= at:
		return []string{"deadline passed"}
	}
	return []string{"deadline in " + Duration(r.deadline-at).String()}
}

func (tl *timeline) rpcDetail(r *rpcLine, h *holder) []string {
	var words []string
	switch h.State {
	case stateFromInside:
		words = append(words, fmt.Sprintf("its handler made %s%s and waits for itself",
			tl.stopFrom(r), tl.at(r)))
	case stateIncomplete:
		words = append(words, tl.incomplete(r))
	case stateInRecv:
		words = append(words, tl.blockedIn("Recv", &r.recv, r, h))
	case stateInSend:
		words = append(words, tl.blockedIn("Send", &r.send, r, h))
	default:
		words = append(words, "handler running"+tl.at(r))
	}
	words = append(words, tl.ofConnection(r)...)
	if r.stream {
		words = append(words, fmt.Sprintf("%d %s in, %d out",
			r.recv.count, plural(int(r.recv.count), "message"), r.send.count))
		words = append(words, tl.toldHandler(r, h)...)
		words = append(words, tl.frozen(r, h)...)
	}
	return words
}

// ofConnection says what is to be known of an RPC's connection.
func (tl *timeline) ofConnection(r *rpcLine) []string {
	if r.conn < 0 && !r.http && (r.peer != "" || r.addr != nil) && len(tl.conns) > 0 {
		return []string{"its connection is not known"}
	}
	return tl.drainingSince(r)
}

// drainingSince says that an RPC's client has been told to go long before.
func (tl *timeline) drainingSince(r *rpcLine) []string {
	if r.conn < 0 || tl.conns[r.conn].goAway >= 0 {
		return nil
	}
	return []string{"its connection told to go " + Duration(-tl.conns[r.conn].goAway).String() +
		" before the stop (" + tl.conns[r.conn].reason("max age") + ")"}
}

// frozen says that it is the socket that a stream's Send waits for, not the
// stream's flow control: the peer reads nothing at all.
func (tl *timeline) frozen(r *rpcLine, h *holder) []string {
	if r.conn < 0 || h.State != stateInSend {
		return nil
	}
	c := &tl.conns[r.conn]
	since, ok := c.blocked(h.end)
	if !ok {
		return nil
	}
	words := []string{"its connection's Write blocked for " + Duration(h.end-since).String()}
	if tl.graceful && c.exchange && c.goAway > h.end {
		words = append(words, "its GOAWAY has not left")
	}
	return words
}

// blockedIn says since when a handler was in Recv or Send, and where.
func (tl *timeline) blockedIn(what string, o *operationLine, r *rpcLine, h *holder) string {
	s := "handler blocked in " + what + tl.at(r)
	if once := min(o.until, h.end) - o.since; 2*once >= h.end-h.start {
		s += " for " + Duration(once).String()
	}
	return s
}

// at says where a handler was, if its stack is known.
func (tl *timeline) at(r *rpcLine) string {
	s, _ := tl.stack(r.id)
	return at(s.source)
}
