// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/gracetrace/gracetrace/internal/enclosed"
	"github.com/gracetrace/gracetrace/internal/stack"
	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// Listener watches lis and the connections it accepts. The result must be the
// value given to Serve: a listener that wraps it would hide when a handshake
// begins and ends (grpc.(*Server).handleRawConn sets and clears the deadline of
// the connection that Accept returned). It is watched from its first Accept on,
// so one that is never served is not waited for. A listener that is watched
// already is returned as it is, or watched for t instead if that was for another
// server's Tracer. With a nil tracer lis is returned.
//
// Accept and Close of a listener other than *net.TCPListener, *net.UnixListener
// and bufconn's run in a goroutine of their own while somebody waits for them, so
// that a forced stop of package server can go on without them: Accept then
// returns net.ErrClosed, and a connection that it brings later is closed. What
// they return or panic with is passed on as it is.
func Listener(t *tracer.Tracer, lis net.Listener) net.Listener {
	if !usable(t, "Listener") || lis == nil {
		return lis
	}
	if w, ok := lis.(isWatched); ok {
		if w.watched().srv == t.Table() {
			return lis
		}
		lis = w.watched().Listener
	}
	l := &listener{
		Listener: lis,
		srv:      t.Table(),
		rec:      t.Table().AddListener(lis.Addr(), fmt.Sprintf("%T", lis)),
	}
	if !endsWhenClosed(lis) {
		l.released = l.rec.Released()
	}
	if sc, ok := lis.(syscall.Conn); ok {
		return &syscallListener{listener: l, Conn: sc}
	}
	return l
}

type listener struct {
	net.Listener
	srv      *watch.Server
	rec      *watch.Listener
	released <-chan struct{} // by a forced stop; nil: it needs no release
	looked   sync.Once
	byXDS    bool // the listener of package xds calls Accept
}

func (l *listener) watched() *listener { return l }

// isWatched is implemented by every type that Listener returns.
type isWatched interface{ watched() *listener }

// syscallListener is a listener for whose socket options channelz can ask.
type syscallListener struct {
	*listener
	syscall.Conn
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	l.looked.Do(l.look)
	l.rec.AcceptBegin()
	c, err := l.accept()
	if err != nil {
		l.rec.AcceptEnd()
		return c, err
	}
	if !tellsAddr(c) {
		rec := l.rec.Accepted(nil, c)
		use := wrapRaw(c, nil, rec, l.srv, l.byXDS)
		rec.Asks(use.RemoteAddr)
		return use, nil
	}
	addr := identity(c.RemoteAddr())
	return wrapRaw(c, addr, l.rec.Accepted(addr, c), l.srv, l.byXDS), nil
}

// look finds out who accepts connections: a server that is inside of another type of
// server is known by nothing else.
func (l *listener) look() {
	l.byXDS = enclosed.ByXDS()
	if l.srv.ServerAddress() == "" {
		l.srv.ServedBy(stack.Serving())
	}
}

func (l *listener) accept() (net.Conn, error) {
	if l.released == nil {
		return l.Listener.Accept()
	}
	select {
	case <-l.released:
		return nil, l.closed("accept")
	default:
	}
	e, ok := interruptible(l.released, l.Listener.Accept)
	if !ok {
		l.rec.AcceptAbandoned()
		return nil, l.closed("accept")
	}
	return e.conn, e.err
}

// Close implements net.Listener.
func (l *listener) Close() error {
	if !l.rec.CloseBegin() {
		return l.close()
	}
	err := l.close()
	l.rec.CloseEnd()
	return err
}

func (l *listener) close() error {
	if l.released == nil {
		return l.Listener.Close()
	}
	e, ok := interruptible(l.released, func() (net.Conn, error) {
		return nil, l.Listener.Close()
	})
	if !ok {
		l.rec.CloseAbandoned()
		return l.closed("close")
	}
	return e.err
}

// closed is the error of a call that a forced stop has ended.
func (l *listener) closed(op string) error {
	a := l.Addr()
	return &net.OpError{Op: op, Net: a.Network(), Addr: a, Err: net.ErrClosed}
}
