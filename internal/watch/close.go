// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io"
	"net"
)

// CloseConns closes every connection that is not gone, below grpc: its reader
// then fails, which cancels the connection's streams as grpc's Stop would.
func (s *Server) CloseConns() {
	for _, c := range s.present() {
		c.shut()
	}
}

// CloseHandshakes closes every connection that still shakes hands and returns how
// many these were. A handshake that is inside of code of the application's, a TLS
// callback or credentials, does not end by that.
func (s *Server) CloseHandshakes() (n int) {
	for _, c := range s.present() {
		if c.cutHandshake() {
			c.shut()
			n++
		}
	}
	return n
}

// cutHandshake reports whether the connection is to be closed because it shakes
// hands. It is told once of each.
func (c *Conn) cutHandshake() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed || c.cut != 0 || c.settled.get() != 0 || c.dispatched {
		return false
	}
	c.cut = c.srv.Now()
	return true
}

// shut closes the connection and does not wait: a Close may hang (tls.Conn.Close
// writes to a frozen peer for up to 5 s, one of the application's for ever), and
// one must not keep the others. So what it is wrapped around is closed as well.
func (c *Conn) shut() {
	go closeGuarded(c.raw)
	go func() {
		defer func() { _ = recover() }() // NetConn may be the application's
		if inner, ok := innermost(c.raw); ok {
			_ = inner.Close() // an error means that it is closed already
		}
	}()
}

func closeGuarded(c io.Closer) {
	defer func() { _ = recover() }() // grpc closes it, too, and is the one to be told
	_ = c.Close()                    // as above
}

// maxWrapped bounds for how many wrappers a connection is looked through.
const maxWrapped = 10

// innermost is the connection that a connection is wrapped around, if it tells
// that as tls.Conn does.
func innermost(c io.Closer) (inner net.Conn, ok bool) {
	for range maxWrapped {
		w, wrapped := c.(interface{ NetConn() net.Conn })
		if !wrapped {
			break
		}
		conn := w.NetConn()
		if conn == nil {
			break
		}
		c, inner, ok = conn, conn, true
	}
	return inner, ok
}
