// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"
)

// rpc returns an RPC as a holder of a connection: until its handler returned,
// the client cancelled it, or its connection was gone.
func (tl *timeline) rpc(r *rpcLine, p phaseLine) (holder, bool) {
	h := tl.rpcHolder(r, HolderRPC)
	if !tl.place(&h, p, r.begin, min(r.end, tl.freed(r))) {
		return h, false
	}
	h.Age = Duration(h.end - r.begin)
	h.State = rpcState(r, h.Held)
	h.Detail = strings.Join(append(deadline(r, h.end), rpcDetail(r, h.State)...), ", ")
	return h, true
}

// handlers returns the handlers that were still running when the last
// connection was gone.
func (tl *timeline) handlers(p phaseLine) (hs []holder) {
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		h := tl.rpcHolder(r, HolderHandler)
		if !tl.place(&h, p, r.begin, r.end) {
			continue
		}
		h.Age = Duration(h.end - r.begin)
		h.State = rpcState(r, h.Held)
		if since := tl.freed(r); since < h.end {
			h.Detail = ignoredFor(since, &h)
			h.attrs = append(h.attrs, attr{keyCtxCancelled, (h.end - max(since, 0)).Seconds()})
		}
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
		name: string(kind) + " " + r.method.Short, key: holderKey{kind, r.id, ""}, blame: -1,
		link: r.span,
	}
	h.Kind, h.Method, h.Peer, h.UserAgent = kind, r.method.Name, r.peer, r.agent
	h.Original = clean(r.method.Original)
	tl.whose(&h, r)
	if r.deadline != never {
		h.attrs = append(h.attrs, attr{keyDeadlineLeft, (r.deadline - min(r.end, tl.now)).Seconds()})
	}
	if r.stream {
		h.attrs = append(h.attrs, attr{keyReceived, r.recv.count}, attr{keySent, r.send.count})
	}
	return h
}

// rpcState is what the handler did for most of the time it held.
func rpcState(r *rpcLine, held Duration) State {
	half := time.Duration(held) / 2
	switch {
	case !r.stream:
		return stateInHandler
	case r.send.held > 0 && r.send.held >= half:
		return stateInSend
	case r.recv.held > 0 && r.recv.held >= half:
		return stateInRecv
	}
	return stateInHandler
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

func rpcDetail(r *rpcLine, s State) []string {
	var words []string
	switch s {
	case stateInRecv:
		words = append(words, "handler blocked in Recv")
	case stateInSend:
		words = append(words, "handler blocked in Send")
	default:
		words = append(words, "handler running")
	}
	if r.stream {
		words = append(words, fmt.Sprintf("%d %s in, %d out",
			r.recv.count, plural(int(r.recv.count), "message"), r.send.count))
	}
	return words
}
