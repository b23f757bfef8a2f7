// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"fmt"
	"net"
	"syscall"

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
	if sc, ok := lis.(syscall.Conn); ok {
		return &syscallListener{listener: l, Conn: sc}
	}
	return l
}

type listener struct {
	net.Listener
	srv *watch.Server
	rec *watch.Listener
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
	l.rec.AcceptBegin()
	c, err := l.Listener.Accept()
	if err != nil {
		l.rec.AcceptEnd()
		return c, err
	}
	addr := identity(c.RemoteAddr())
	return wrapRaw(c, addr, l.rec.Accepted(addr, c), l.srv), nil
}

// Close implements net.Listener.
func (l *listener) Close() error {
	if !l.rec.CloseBegin() {
		return l.Listener.Close()
	}
	err := l.Listener.Close()
	l.rec.CloseEnd()
	return err
}
