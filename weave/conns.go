// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"net"
	"reflect"
	"sync"

	"google.golang.org/grpc/peer"

	"github.com/gracetrace/gracetrace/internal/enclosed"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// conns are the connections of which grpc's own source tells, by what it has of
// them at a point.
type conns struct {
	points points
	// shaking has those inside of handleRawConn, by the address that both the raw
	// connection and the transport that becomes of it have: net.Addr, a pointer, to
	// *watch.Conn.
	shaking sync.Map
	// served has those between addConn and removeConn, or the end of serveStreams
	// where that is missing: transport to *watch.Conn.
	served sync.Map
}

// watched is implemented by a connection that the sensors have accepted.
type watched interface {
	net.Conn
	Watched() *watch.Conn
}

// accepted is called when handleRawConn begins.
func (cs *conns) accepted(raw any) {
	w := watchedOf(raw)
	if w == nil {
		return
	}
	c := w.Watched()
	c.OnIdentified(func(peer net.Addr) {
		if identifies(peer) {
			cs.shaking.Store(peer, c)
		}
	})
}

// watchedOf returns the connection that raw is, or that package xds has enclosed in
// it; nil if it is none of ours.
func watchedOf(raw any) watched {
	if w, ok := raw.(watched); ok {
		return w
	}
	c, ok := raw.(net.Conn)
	if !ok {
		return nil
	}
	w, _ := enclosed.Of(c).(watched)
	return w
}

// shaken is called when it ends. What was enclosed may be forgotten by then.
func (cs *conns) shaken(raw any) {
	done := func(peer net.Addr) {
		if identifies(peer) {
			cs.shaking.Delete(peer)
		}
	}
	switch c := raw.(type) {
	case watched:
		c.Watched().OnIdentified(done)
	case net.Conn:
		done(enclosed.Addr(c))
	}
}

// added is called when addConn begins, by handleRawConn: before anybody else can
// know of the transport.
func (cs *conns) added(transport any) {
	t, ok := transport.(interface{ Peer() *peer.Peer })
	if !ok || !cs.points.has(pointStreams) && !cs.points.has(pointRemoveConn) {
		return // nobody tells when it is no more
	}
	addr := t.Peer().Addr
	if !identifies(addr) {
		return // it came through ServeHTTP
	}
	if c, ok := cs.shaking.Load(addr); ok {
		c := c.(*watch.Conn)
		c.Inside(cs.points.has(pointGoAway, pointGoAwayOut, pointConnClose), cs.points.has(pointRemoveConn))
		cs.served.Store(transport, c)
	}
}

// serving is called when serveStreams begins. A transport whose credentials have
// changed its address is known by the raw connection now. It may have been told to
// go already.
func (cs *conns) serving(transport, raw any) {
	w, ok := raw.(watched)
	if !ok || transport == nil {
		return
	}
	if _, known := cs.served.LoadOrStore(transport, w.Watched()); !known {
		w.Watched().Inside(false, cs.points.has(pointRemoveConn))
	}
}

// streamed is called when serveStreams has returned: removeConn comes next.
func (cs *conns) streamed(transport any) {
	if !cs.points.has(pointRemoveConn) {
		cs.served.Delete(transport)
	}
}

// removed is called when removeConn has returned.
func (cs *conns) removed(transport any) {
	if c, ok := cs.served.LoadAndDelete(transport); ok {
		c.(*watch.Conn).Left()
	}
}

// tell is called at a point of a transport.
func (cs *conns) tell(transport any, what func(*watch.Conn)) {
	if c, ok := cs.served.Load(transport); ok {
		what(c.(*watch.Conn))
	}
}

// identifies reports whether an address tells one connection from another.
func identifies(a net.Addr) bool {
	return a != nil && reflect.TypeOf(a).Kind() == reflect.Pointer
}
