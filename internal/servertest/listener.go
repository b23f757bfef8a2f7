// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"net"
	"sync"
	"syscall"

	"google.golang.org/grpc/test/bufconn"
)

// pipeBuffer is what a connection holds in each direction before a Write
// blocks.
const pipeBuffer = 32 << 10

// Listener is a net.Listener in memory. Its connections are those of bufconn,
// which block and time out as sockets do and run inside a synctest bubble, but
// have the addresses of TCP connections: the listener is 10.0.0.100:50051, the
// first client to dial 10.0.0.1:40001, the second 10.0.0.2:40002. All methods
// may be called concurrently; clients that dial concurrently are numbered in
// no particular order.
//
// Unlike TCP there is no backlog: Dial returns when the connection has been
// accepted.
type Listener struct {
	addr     *net.TCPAddr
	accepted chan net.Conn
	closed   chan struct{}

	mu     sync.Mutex // guards following
	dialed int
}

// Listen returns a Listener, which needs no port and cannot fail.
func Listen() *Listener {
	return &Listener{
		addr:     listenAddr(),
		accepted: make(chan net.Conn),
		closed:   make(chan struct{}),
	}
}

// Accept waits for the next client. After Close its error is net.ErrClosed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed: // not left to chance when a client waits too
		return nil, l.opError("accept", net.ErrClosed)
	default:
	}
	select {
	case conn := <-l.accepted:
		return conn, nil
	case <-l.closed:
		return nil, l.opError("accept", net.ErrClosed)
	}
}

// Close refuses clients from now on. Connections that were accepted stay.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return l.opError("close", net.ErrClosed)
	default:
		close(l.closed)
		return nil
	}
}

// Addr returns a *net.TCPAddr, 10.0.0.100:50051.
func (l *Listener) Addr() net.Addr { return l.addr }

// Dial connects to the listener: it is a DialFunc. After Close its error is
// ECONNREFUSED.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	n, ok := l.nextPeer()
	if !ok {
		return nil, l.opError("dial", syscall.ECONNREFUSED)
	}
	client, server := pipe()
	select {
	case l.accepted <- &addrConn{Conn: server, local: l.addr, remote: peerAddr(n)}:
		return &addrConn{Conn: client, local: peerAddr(n), remote: listenAddr()}, nil
	case <-l.closed:
		return nil, l.opError("dial", syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, l.opError("dial", ctx.Err())
	}
}

// DialTarget is Dial in the form that grpc.WithContextDialer wants.
func (l *Listener) DialTarget(ctx context.Context, _ string) (net.Conn, error) {
	return l.Dial(ctx)
}

func (l *Listener) nextPeer() (n int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.closed:
		return 0, false
	default:
		l.dialed++
		return l.dialed - 1, true
	}
}

func (l *Listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.addr, Err: err}
}

// pipe returns the two ends of a bufconn connection. A listener for each is
// what tells which end belongs to which: bufconn's own hands connections out
// in the order in which Accepts happen to be woken.
func pipe() (client, server net.Conn) {
	lis := bufconn.Listen(pipeBuffer)
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, _ := lis.Accept() // fails only when closed
		accepted <- conn
	}()
	client, _ = lis.Dial() // likewise
	return client, <-accepted
}
