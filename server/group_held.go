// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// What a connection that holds an HTTP server's stop is about.
const (
	stateActive = "active"
	stateFresh  = "new"
)

// maxHeld bounds the connections that are told of.
const maxHeld = 50

// watch begins to note who holds the server's stop, and returns what there is.
func (h *httpConns) watch() httpCount {
	h.watchedSince.Store(time.Now().UnixNano())
	return h.count()
}

// release notes a connection that has held the stop until now: Shutdown does not
// wait for it any more.
func (h *httpConns) release(c net.Conn, e *httpConn, becomes http.ConnState, now int64) {
	if h.watchedSince.Load() == 0 || becomes == http.StateActive {
		return
	}
	if held, ok := h.holder(c, e, now); ok {
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.released) == maxHeld { // those that come later have held for longer
			h.released = slices.Delete(h.released, 0, 1)
		}
		h.released = append(h.released, held)
	}
}

// holder describes a connection, if Shutdown waits for it.
func (h *httpConns) holder(c net.Conn, e *httpConn, now int64) (tracer.Holder, bool) {
	held := tracer.Holder{
		Kind: tracer.HolderConnection, Peer: peerOf(c),
		Held: tracer.Duration(now - max(h.watchedSince.Load(), e.accepted)),
		Age:  tracer.Duration(now - e.accepted),
	}
	switch e.is() {
	case http.StateActive:
		held.State = stateActive
		held.Detail = "answering a request for " + tracer.Duration(now-e.since.Load()).String()
	case http.StateNew:
		held.State, held.Detail = stateFresh, "it has sent no request"
	case http.StateIdle, http.StateHijacked, http.StateClosed:
		return held, false
	}
	return held, true
}

// held returns the connections that have held the stop, and those that do.
func (h *httpConns) held() []tracer.Holder {
	now := time.Now().UnixNano()
	h.mu.Lock()
	all := slices.Clone(h.released)
	h.mu.Unlock()
	h.all.Range(func(c, e any) bool {
		if held, ok := h.holder(c.(net.Conn), e.(*httpConn), now); ok {
			held.Open = true
			all = append(all, held)
		}
		return true
	})
	slices.SortStableFunc(all, func(a, b tracer.Holder) int { return cmp.Compare(b.Held, a.Held) })
	return all[:min(len(all), maxHeld)]
}
