// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gracetrace/gracetrace/internal/enclosed"
	"github.com/gracetrace/gracetrace/internal/h2"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// layer watches one layer of a connection: the raw one, or the one that
// credentials made of it. The outermost layer stamps; a covered one passes
// everything on.
type layer struct {
	net.Conn
	rec     *watch.Conn
	srv     *watch.Server
	asked   sync.Once
	addr    net.Addr   // of RemoteAddr; nil until that has been asked
	in, out h2.Scanner // of the goroutine that reads, of the one that writes
	known   bool       // in has recognised HTTP/2, or that it is none; of the goroutine that reads
	covered atomic.Bool
}

func newLayer(c net.Conn, a net.Addr, rec *watch.Conn, srv *watch.Server) *layer {
	l := &layer{Conn: c, rec: rec, srv: srv, addr: a}
	l.in.InitRead()
	l.out.InitWrite()
	return l
}

// Read implements net.Conn.
func (l *layer) Read(p []byte) (int, error) {
	if l.covered.Load() {
		return l.Conn.Read(p)
	}
	l.rec.ReadBegin()
	n, err := l.Conn.Read(p)
	l.hasRead(p[:n], err)
	return n, err
}

func (l *layer) hasRead(p []byte, err error) {
	if len(p) > 0 {
		l.in.Scan(p, (*inbound)(l))
		if !l.known {
			l.recognise(p)
		}
	}
	l.rec.ReadEnd(len(p), err)
}

// tlsHandshake is the first byte of a TLS client's (RFC 8446, section 5.1).
const tlsHandshake = 0x16

// recognise finds out what the client speaks; p is what it has sent last.
func (l *layer) recognise(p []byte) {
	switch l.in.State() {
	case h2.StateHTTP2:
		l.known = true
		l.rec.FramesSeen()
	case h2.StateOther:
		l.known = true
		if p[0] == tlsHandshake {
			l.rec.FirstBytes(watch.StageTLSBytes)
		}
	case h2.StateUndecided:
		l.rec.FirstBytes(watch.StageHalfPreface)
	}
}

// Write implements net.Conn.
func (l *layer) Write(p []byte) (int, error) {
	if l.covered.Load() {
		return l.Conn.Write(p)
	}
	l.rec.WriteBegin()
	n, err := l.Conn.Write(p)
	l.rec.WriteEnd(n)
	if err != nil {
		l.rec.WriteFailed(err)
	}
	if n > 0 {
		l.out.Scan(p[:n], (*outbound)(l))
	}
	return n, err
}

// Close implements net.Conn. A covered layer stamps too: when grpc gives up
// between the handshake and the preface it closes the raw connection only.
func (l *layer) Close() error {
	l.rec.CloseBegin()
	err := l.Conn.Close()
	l.rec.Closed()
	return err
}

// RemoteAddr implements net.Conn. It is the same value at each call.
func (l *layer) RemoteAddr() net.Addr {
	l.asked.Do(func() {
		if l.addr == nil {
			l.addr = identity(l.Conn.RemoteAddr())
			l.rec.Identified(l.addr)
		}
	})
	return l.addr
}

// NetConn returns the connection that is watched, as tls.Conn.NetConn does.
func (l *layer) NetConn() net.Conn { return l.Conn }

// rawConn is the layer that Accept returns. grpc sets its deadline before the
// handshake and clears it after.
type rawConn struct {
	*layer
	inCredentials atomic.Bool // deadlines are the credentials' own
	enclosed      bool        // by a connection of package xds
}

// SetDeadline implements net.Conn.
func (c *rawConn) SetDeadline(t time.Time) error {
	if c.inCredentials.Load() {
		return c.Conn.SetDeadline(t)
	}
	if !t.IsZero() {
		c.rec.HandshakeBegin(t)
		return c.Conn.SetDeadline(t)
	}
	err := c.Conn.SetDeadline(t)
	c.forget()
	// grpc sets no option on a connection that is enclosed.
	if c.rec.InHandshake() && c.rec.HandshakeEnd() && !c.enclosed {
		setUserTimeout(c.Conn, time.Duration(c.srv.UserTimeout.Load()))
	}
	return err
}

// Close implements net.Conn.
func (c *rawConn) Close() error {
	c.forget()
	return c.layer.Close()
}

// forget is called when nobody needs to find the connection any more.
func (c *rawConn) forget() {
	if c.enclosed {
		c.rec.OnIdentified(func(peer net.Addr) { enclosed.Forget(peer, c) })
	}
}

func (c *rawConn) raw() *rawConn { return c }

// Watched returns the connection's entry in the table, for package weave.
func (c *rawConn) Watched() *watch.Conn { return c.rec }

// isRaw is implemented by every type that Accept returns.
type isRaw interface{ raw() *rawConn }

// syscallConn adds the socket, for channelz and the application.
type syscallConn struct{ syscall.Conn }

type (
	rawSyscallConn struct {
		*rawConn
		syscallConn
	}
	layerSyscallConn struct {
		*layer
		syscallConn
	}
)

// wrapRaw watches a connection that Accept returned, with no method more and
// none less of those that grpc and channelz look for. inside says that it is going
// to be enclosed.
func wrapRaw(c net.Conn, a net.Addr, rec *watch.Conn, srv *watch.Server, inside bool) net.Conn {
	raw := &rawConn{layer: newLayer(c, a, rec, srv), enclosed: inside}
	if inside {
		rec.OnIdentified(func(peer net.Addr) { enclosed.Add(peer, raw) })
	}
	if ready, ok := newReadyConn(raw); ok {
		return ready
	}
	if sc, ok := c.(syscall.Conn); ok {
		return rawSyscallConn{raw, syscallConn{sc}}
	}
	return raw
}

// cover watches what credentials made of raw. The raw layer stops watching.
func cover(raw *rawConn, c net.Conn) net.Conn {
	a, below := c.RemoteAddr(), raw.RemoteAddr()
	if same(a, raw.Conn.RemoteAddr()) || a == nil {
		a = below
	}
	l := newLayer(c, a, raw.rec, raw.srv)
	raw.covered.Store(true)
	sc, hasSocket := c.(syscall.Conn)
	rr, isReady := c.(readyReader)
	switch {
	case isReady && hasSocket:
		return layerReadySyscallConn{layerReadyConn{l, rr}, syscallConn{sc}}
	case isReady:
		return layerReadyConn{l, rr}
	case hasSocket:
		return layerSyscallConn{l, syscallConn{sc}}
	}
	return l
}
