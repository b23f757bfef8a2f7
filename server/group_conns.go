// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
	"github.com/gracetrace/gracetrace/tracer"
)

// httpConns knows the connections of an HTTP server. A request costs it two times
// a look-up and two atomic stores, and no lock that connections share.
type httpConns struct {
	all    sync.Map      // net.Conn to *httpConn; those that were hijacked are not in it
	closed chan struct{} // capacity 1: one has gone
	silent bool          // peers are withheld: errors must not tell them

	blind        atomic.Bool  // there are some that are not known
	watchedSince atomic.Int64 // Unix nanoseconds; zero: the server is not being stopped

	mu       sync.Mutex      // guards following
	released []tracer.Holder // since then, those that held longest
	hijacked []net.Conn      // some of which may have been closed since
	sweepAt  int             // with so many the closed ones are thrown out
}

// httpConn is a connection.
type httpConn struct {
	accepted int64        // Unix nanoseconds, as the next
	since    atomic.Int64 // of the state
	state    atomic.Int64 // an http.ConnState
}

func (c *httpConn) set(s http.ConnState, now int64) {
	c.since.Store(now)
	c.state.Store(int64(s))
}

func (c *httpConn) is() http.ConnState { return http.ConnState(c.state.Load()) }

func newHTTPConns() *httpConns { return &httpConns{closed: make(chan struct{}, 1), sweepAt: minSweep} }

// state is what ConnState of an http.Server calls. A connection that cannot be a
// map's key is not known: those of package net and crypto/tls can.
func (h *httpConns) state(c net.Conn, s http.ConnState) {
	if reflect.TypeOf(c).Kind() != reflect.Pointer {
		h.blind.Store(true)
		return
	}
	now := time.Now().UnixNano()
	if s == http.StateNew {
		e := &httpConn{accepted: now}
		e.set(s, now)
		h.all.Store(c, e)
		return
	}
	if e, ok := h.all.Load(c); ok {
		e := e.(*httpConn)
		h.release(c, e, s, now)
		e.set(s, now)
	}
	switch s {
	case http.StateNew, http.StateActive, http.StateIdle:
	case http.StateHijacked:
		h.hijack(c)
		h.gone(c)
	case http.StateClosed:
		h.gone(c)
	}
}

func (h *httpConns) gone(c net.Conn) {
	h.all.Delete(c)
	select {
	case h.closed <- struct{}{}:
	default:
	}
}

// httpCount is how many connections there are of each kind.
type httpCount struct {
	fresh    int // have not sent a request yet
	idle     int
	active   int // a request is being answered
	hijacked int // by a handler, and still open as far as can be told
}

func (h *httpConns) count() httpCount {
	var n httpCount
	h.all.Range(func(_, e any) bool {
		switch e.(*httpConn).is() {
		case http.StateNew:
			n.fresh++
		case http.StateIdle:
			n.idle++
		case http.StateActive, http.StateHijacked, http.StateClosed:
			n.active++
		}
		return true
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep()
	n.hijacked = len(h.hijacked)
	return n
}

// allGone reports whether no connection is left, for sure.
func (h *httpConns) allGone() bool {
	none := !h.blind.Load()
	h.all.Range(func(any, any) bool {
		none = false
		return false
	})
	return none
}

// busyConn is a connection on which a request is being answered.
type busyConn struct {
	from  string // in words; empty: peers are withheld
	lasts time.Duration
}

// maxPeer bounds, in bytes, the text of an address.
const maxPeer = 128

// peerOf is empty for a connection that has no address, which net/http lets be.
func peerOf(conn any) string {
	address := conn.(net.Conn).RemoteAddr()
	if address == nil {
		return ""
	}
	return legible.Text(address.String(), maxPeer)
}

func (h *httpConns) from(conn any) string {
	if h.silent {
		return ""
	}
	return " from " + cmp.Or(peerOf(conn), "an unknown peer")
}

// busy returns those, the one that has been for longest first.
func (h *httpConns) busy() (conns []busyConn) {
	now := time.Now().UnixNano()
	h.all.Range(func(c, e any) bool {
		if e := e.(*httpConn); e.is() == http.StateActive {
			conns = append(conns, busyConn{
				from:  h.from(c),
				lasts: time.Duration(now - e.since.Load()),
			})
		}
		return true
	})
	slices.SortFunc(conns, func(a, b busyConn) int {
		return cmp.Or(cmp.Compare(b.lasts, a.lasts), cmp.Compare(a.from, b.from))
	})
	return conns
}

// close closes every connection but the hijacked ones, which are their handlers'.
func (h *httpConns) close() {
	h.all.Range(func(c, _ any) bool {
		_ = c.(net.Conn).Close() // to have its handler see it
		return true
	})
}

// awaitIdle waits until no request is being answered, or for ctx.
func (h *httpConns) awaitIdle(ctx context.Context) {
	for len(h.busy()) > 0 {
		select {
		case <-h.closed:
		case <-ctx.Done():
			return
		}
	}
}

// minSweep is how many hijacked connections are kept before a look at which of
// them are still open. Then it is twice as many as those.
const minSweep = 64

func (h *httpConns) hijack(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hijacked = append(h.hijacked, c)
	if len(h.hijacked) >= h.sweepAt {
		h.sweep()
		h.sweepAt = max(minSweep, 2*len(h.hijacked))
	}
}

// sweep forgets the hijacked connections that are closed, and those of which that
// cannot be told. h.mu must be held.
func (h *httpConns) sweep() {
	h.hijacked = slices.DeleteFunc(h.hijacked, func(c net.Conn) bool { return !isOpen(c) })
}

// isOpen asks a socket whether it was closed, without touching it.
func isOpen(c net.Conn) bool {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok { // *tls.Conn
		c = t.NetConn()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	return err == nil && raw.Control(func(uintptr) {}) == nil
}
