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
	if !tl.place(&h, p, r.begin, min(r.end, r.cancelled, tl.gone(r))) {
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
		if since := min(r.cancelled, tl.gone(r)); since < h.end {
			ignored := Duration(h.end - since)
			h.Detail = fmt.Sprintf("its ctx was cancelled %s before and ignored", ignored)
			if h.Open {
				h.Detail = fmt.Sprintf("ignores its ctx, cancelled %s ago", ignored)
			}
			h.attrs = append(h.attrs, attr{keyCtxCancelled, time.Duration(ignored).Seconds()})
		}
		hs = append(hs, h)
	}
	return hs
}

func (tl *timeline) rpcHolder(r *rpcLine, kind HolderKind) holder {
	h := holder{
		name: string(kind) + " " + r.method.Short, key: holderKey{kind, r.id, ""}, blame: -1,
		link: r.span,
	}
	h.Kind, h.Method, h.Peer, h.UserAgent = kind, r.method.Name, r.peer, r.agent
	h.Original = clean(r.method.Original)
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
		return StateInHandler
	case r.send.held > 0 && r.send.held >= half:
		return StateInSend
	case r.recv.held > 0 && r.recv.held >= half:
		return StateInRecv
	}
	return StateInHandler
}

func deadline(r *rpcLine, at time.Duration) []string {
	switch {
	case r.deadline == never:
		return []string{"no deadline"}
	case r.deadline < at:
		return []string{"deadline passed " + Duration(at-r.deadline).String() + " before"}
	}
	return []string{"deadline in " + Duration(r.deadline-at).String()}
}

func rpcDetail(r *rpcLine, s State) []string {
	var words []string
	switch s {
	case StateInRecv:
		words = append(words, "handler blocked in Recv")
	case StateInSend:
		words = append(words, "handler blocked in Send")
	default:
		words = append(words, "handler running")
	}
	if r.stream {
		words = append(words, fmt.Sprintf("%d in, %d out", r.recv.count, r.send.count))
	}
	if r.cancelled != never {
		words = append(words, "ctx cancelled and ignored")
	}
	return words
}
