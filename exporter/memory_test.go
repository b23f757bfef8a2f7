// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"cmp"
	"context"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// wire carries bytes one way, each for lag. It has no bound, and its ends no
// deadlines.
type wire struct {
	lag  time.Duration
	news chan struct{} // capacity 1

	mu   sync.Mutex // guards following
	sent []packet
	lost bool  // so is what is written from now on
	err  error // after what was sent
}

type packet struct {
	due  time.Time
	data []byte
}

func newWire(lag time.Duration) *wire { return &wire{lag: lag, news: make(chan struct{}, 1)} }

func (w *wire) notify() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *wire) write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, syscall.EPIPE
	}
	if w.lost {
		return len(b), nil
	}
	w.sent = append(w.sent, packet{time.Now().Add(w.lag), append([]byte(nil), b...)})
	w.notify()
	return len(b), nil
}

// end is told by the writer: after what is under way.
func (w *wire) end(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil && !w.lost {
		w.err = err
	}
	w.notify()
}

// reset ends it at once for both.
func (w *wire) reset(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent, w.err = nil, cmp.Or(w.err, err)
	w.notify()
}

// next returns what has arrived, or how long nothing will.
func (w *wire) next(b []byte) (n int, wait time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.sent) == 0 {
		return 0, time.Hour, w.err
	}
	p := &w.sent[0]
	if wait = time.Until(p.due); wait > 0 {
		return 0, wait, nil
	}
	n = copy(b, p.data)
	if p.data = p.data[n:]; len(p.data) == 0 {
		w.sent = w.sent[1:]
	}
	return n, 0, nil
}

// read is for one reader at a time.
func (w *wire) read(b []byte) (int, error) {
	for {
		n, wait, err := w.next(b)
		if n > 0 || err != nil {
			return n, err
		}
		t := time.NewTimer(wait)
		select {
		case <-w.news:
		case <-t.C:
		}
		t.Stop()
	}
}

// memConn is one end of a connection in memory.
type memConn struct{ in, out *wire }

// connect makes a connection whose bytes take lag each way.
func connect(lag time.Duration) (client, server *memConn) {
	up, down := newWire(lag), newWire(lag)
	return &memConn{in: down, out: up}, &memConn{in: up, out: down}
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }

func (c *memConn) Close() error {
	c.out.end(io.EOF)
	c.in.reset(net.ErrClosed)
	return nil
}

// cut is a reset of both ends.
func (c *memConn) cut() {
	c.out.reset(syscall.ECONNRESET)
	c.in.reset(syscall.ECONNRESET)
}

func (*memConn) LocalAddr() net.Addr              { return memAddr }
func (*memConn) RemoteAddr() net.Addr             { return memAddr }
func (*memConn) SetDeadline(time.Time) error      { return nil }
func (*memConn) SetReadDeadline(time.Time) error  { return nil }
func (*memConn) SetWriteDeadline(time.Time) error { return nil }

var memAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4317}

// memNet is a network of one address.
type memNet struct {
	lag time.Duration
	// refuse decides about each dial; it may wait. Nil: it succeeds.
	refuse func(ctx context.Context) error
	mute   bool // nobody accepts the connections

	mu    sync.Mutex // guards following
	lis   *memListener
	conns []*memConn // the clients' ends
	dials int
}

func (n *memNet) dial(ctx context.Context, _ string) (net.Conn, error) {
	n.mu.Lock()
	n.dials++
	lis := n.lis
	n.mu.Unlock()
	if n.refuse != nil {
		if err := n.refuse(ctx); err != nil {
			return nil, err
		}
	}
	if lis == nil && !n.mute {
		return nil, errRefused
	}
	t := time.NewTimer(2 * n.lag) // SYN and SYN ACK
	defer t.Stop()
	<-t.C
	client, server := connect(n.lag)
	n.mu.Lock()
	n.conns = append(n.conns, client)
	n.mu.Unlock()
	if !n.mute {
		lis.accepted <- server
	}
	return client, nil
}

// listen makes the address reachable until the listener is closed.
func (n *memNet) listen() net.Listener {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lis = &memListener{n: n, accepted: make(chan net.Conn, 16), closed: make(chan struct{})}
	return n.lis
}

// cut resets all connections.
func (n *memNet) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.cut()
	}
	n.conns = nil
}

// freeze loses all that is sent on the connections from now on, and tells nobody.
func (n *memNet) freeze() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.in.lose()
		c.out.lose()
	}
}

func (w *wire) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = true
}

type memListener struct {
	n        *memNet
	accepted chan net.Conn
	once     sync.Once
	closed   chan struct{}
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.n.mu.Lock()
		defer l.n.mu.Unlock()
		if l.n.lis == l {
			l.n.lis = nil
		}
	})
	return nil
}

func (*memListener) Addr() net.Addr { return memAddr }
