// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Stage is how far a connection's handshake has come.
type Stage uint32

// A connection goes through the first three in this order. Where no credentials
// are wrapped its bytes are all that tells.
const (
	StageTCP         Stage = iota // accepted, the handshake has not been seen to move
	StageTLS                      // inside the credentials' ServerHandshake
	StagePreface                  // waiting for the HTTP/2 connection preface
	StageTLSBytes                 // not wrapped: a TLS record has arrived
	StageHalfPreface              // not wrapped: a part of the preface has arrived
)

// Conn is one accepted connection. Its methods are safe for concurrent use; a
// goroutine of grpc's reads, another writes, several may close.
type Conn struct {
	srv        *Server
	id         uint64
	raw        io.Closer
	listener   string
	accepted   Instant
	handshake  atomicInstant // SetDeadline(now + ConnectionTimeout)
	settled    atomicInstant // SetDeadline(zero): a transport, or failed
	timeout    atomic.Int64  // ConnectionTimeout
	stage      atomic.Uint32
	bare       atomic.Bool  // see BareHandshake
	read       atomic.Int64 // bytes
	written    atomic.Int64
	readSince  atomicInstant // a Read is in flight since
	writeSince atomicInstant
	lastRead   atomicInstant // when the last Read returned
	severing

	mu sync.Mutex // guards following
	identity
	transport  bool    // the handshake succeeded
	dispatched bool    // credentials took it away from grpc
	removed    bool    // no longer in srv.conns
	severed    bool    // see severLocked
	cut        Instant // closed by us while it shook hands
	readErr    Instant // terminal read error
	closed     Instant // first Close returned
	gone       Instant // see letGoLocked
	pause      span    // see keepPause
	longWrite  span    // the first of its kind to end after the handshake wait
	exchange
	inside
}

type atomicInstant struct{ atomic.Int64 }

func (a *atomicInstant) get() Instant { return Instant(a.Load()) }

// stampOnce stores now unless a moment is stored already.
func (a *atomicInstant) stampOnce(now Instant) { a.CompareAndSwap(0, int64(now)) }

// Accepted puts a connection that Accept returned into the table. raw closes
// it, below every wrapper. peer is nil if it is not known yet: see [Conn.Identified].
func (l *Listener) Accepted(peer net.Addr, raw io.Closer) *Conn {
	s := l.srv
	c := &Conn{srv: s, raw: raw, listener: l.addr.String()}
	c.peer = peer
	s.mu.Lock()
	defer s.mu.Unlock()
	c.accepted = s.Now()
	l.accepting, l.failed, l.acceptReturn = false, false, c.accepted
	s.nextID++
	c.id = s.nextID
	s.lastAccept = c.accepted
	if _, ok := raw.(syscall.Conn); ok {
		l.socket = true
	}
	s.conns[c] = struct{}{}
	s.shaking++
	return c
}

// HandshakeBegin is called when grpc sets the handshake's deadline, which it
// does before anything else. A connection accepted after quit is closed
// without it.
func (c *Conn) HandshakeBegin(deadline time.Time) {
	now := c.srv.Now()
	c.handshake.stampOnce(now)
	c.timeout.CompareAndSwap(0, int64(c.srv.At(deadline)-now))
}

// HandshakeEnd is called when grpc clears the deadline after the handshake. It
// reports whether the connection became a transport.
func (c *Conn) HandshakeEnd() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.settled.get() != 0 {
		return c.transport
	}
	c.settled.stampOnce(c.srv.Now())
	c.transport = c.closed == 0 && !c.dispatched
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	if c.transport {
		c.srv.open++
		if c.goAway == 0 {
			c.srv.unsent++
		}
	}
	c.srv.shaking--
	c.srv.acceptedLocked()
	if !c.transport {
		c.removeLocked()
	}
	return c.transport
}

// InHandshake reports whether grpc's handshake has begun and not ended.
func (c *Conn) InHandshake() bool { return c.handshake.get() != 0 && c.settled.get() == 0 }

// Dispatched is called when credentials kept the connection for themselves
// (credentials.ErrConnDispatched). It is not grpc's any more.
func (c *Conn) Dispatched() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dispatched = true
}

// SetStage records how far the handshake has come.
func (c *Conn) SetStage(s Stage) { c.stage.Store(uint32(s)) }

// BareHandshake is called when the credentials get the connection without its
// sensors: what they read is not counted.
func (c *Conn) BareHandshake() { c.bare.Store(true) }

// FirstBytes records how far the handshake has come, by the bytes that arrived
// first, unless credentials tell that.
func (c *Conn) FirstBytes(s Stage) { c.stage.CompareAndSwap(uint32(StageTCP), uint32(s)) }

// ReadBegin is called before each Read of the outermost layer.
func (c *Conn) ReadBegin() {
	last := c.lastRead.Load()
	if c.srv.watchedSince.get() != 0 && last != 0 {
		c.keepPause(span{Instant(last), c.srv.Now()})
	}
	c.readSince.Store(max(1, last))
}

// keepPause keeps the longest time during a shutdown in which grpc's reader did
// not read: something else held it.
func (c *Conn) keepPause(p span) {
	if p.until-p.since < Instant(readerBlocked) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.until-p.since > c.pause.until-c.pause.since {
		c.pause = p
	}
}

// pauseLocked is that time; until is zero while it lasts. A reader that has got a
// terminal error reads no more. c.mu must be held.
func (c *Conn) pauseLocked() span {
	last := c.lastRead.get()
	if last == 0 || c.readSince.get() != 0 || c.readErr != 0 || c.srv.watchedSince.get() == 0 {
		return c.pause
	}
	p := span{since: last, until: c.closed}
	if cmp.Or(p.until, c.srv.Now())-p.since >= max(Instant(readerBlocked), c.pause.until-c.pause.since) {
		return p
	}
	return c.pause
}

// ReadEnd is called after each Read of the outermost layer. err is terminal.
func (c *Conn) ReadEnd(n int, err error) {
	now := c.srv.Now()
	c.lastRead.Store(int64(now))
	c.readSince.Store(0)
	c.read.Add(int64(n))
	if err != nil {
		c.readFailed(now, err)
	}
}

func (c *Conn) readFailed(now Instant, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.readErr == 0 {
		c.readErr = now
		c.severLocked(err)
		c.settleLocked()
	}
}

// WriteBegin is called before each Write of the outermost layer.
func (c *Conn) WriteBegin() { c.writeSince.Store(int64(c.srv.Now())) }

// WriteEnd is called after it.
func (c *Conn) WriteEnd(n int) {
	if c.srv.watchedSince.get() != 0 {
		c.keepWrite()
		if n > 0 && c.unflushed.get() != 0 {
			c.flushed()
		}
	}
	c.writeSince.Store(0)
	c.written.Add(int64(n))
}

// span is from one moment to another.
type span struct{ since, until Instant }

// LongWrite is the least that a Write must take to count as blocked.
const LongWrite = time.Second

// keepWrite keeps a long Write that was in flight when the handshake wait ended:
// no GOAWAY is expected of its connection then, nor once the Write has ended.
func (c *Conn) keepWrite() {
	w := span{c.writeSince.get(), c.srv.Now()}
	if w.since == 0 || w.until-w.since < Instant(LongWrite) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.longWrite.until < c.srv.watchedSince.get() && c.srv.accepted() {
		c.longWrite = w
	}
}

// Closed is called after each Close has returned.
func (c *Conn) Closed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.Now()
	if c.closed == 0 {
		c.closed = now
	}
	if c.readErr != 0 {
		c.letGoLocked(now)
	}
	c.settleLocked()
}

// letGoLocked stamps when grpc lets go of the connection: its reader and its writer
// have ended. The first Close after a terminal read error is the reader's. A transport's
// writer closes once more when it has ended, unless it failed in a Write; if it had sent
// all that the drain wants of it, it had ended before. c.mu must be held.
func (c *Conn) letGoLocked(now Instant) {
	drained := c.finalGoAway != 0 && len(c.streams) == 0
	if c.gone == 0 || c.transport && !drained {
		c.gone = now
	}
}

// settleLocked takes the connection out of the table once nothing more can
// happen to it. c.mu must be held.
func (c *Conn) settleLocked() {
	if c.removed || c.heldLocked() {
		return
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	switch {
	case c.transport:
		if c.goAway == 0 {
			c.srv.sentLocked()
		}
		c.srv.open--
	case c.settled.get() == 0:
		c.srv.shaking-- // accepted after quit, unserved
		c.srv.acceptedLocked()
	}
	c.removeLocked()
}

// heldLocked reports whether grpc may have the connection still. c.mu must be held.
func (c *Conn) heldLocked() bool {
	switch {
	case c.leaves: // grpc says
		return c.left == 0
	case c.closed == 0:
		return true
	case c.handshake.get() != 0 && c.settled.get() == 0:
		return true // HandshakeEnd will come
	}
	return c.transport && c.http2 && c.readErr == 0 && c.readerHolds()
}

// readerBlocked is for how long a reader must not have read to count as blocked
// by something else: a full stream quota.
const readerBlocked = time.Second

// readerHolds reports whether grpc's reader has yet to notice that the
// connection was closed. A Read in flight will fail. One that is not between
// two frames for long has refused the last and will not read again, or notices
// at once. At rest nobody waits for a blocked one either: a table must not grow
// by connections that may never be read again.
func (c *Conn) readerHolds() bool {
	if c.readSince.get() != 0 {
		return true
	}
	return c.srv.watchedSince.get() != 0 &&
		c.srv.Now()-c.lastRead.get() >= Instant(readerBlocked)
}

// removeLocked needs c.mu and srv.mu.
func (c *Conn) removeLocked() {
	if c.removed {
		return
	}
	c.removed = true
	s := c.srv
	delete(s.conns, c)
	if s.watchedSince.get() == 0 {
		return
	}
	if len(s.closed) >= keepClosed {
		half := keepClosed / 2
		s.forgotten += half
		s.closed = append(s.closed[:0], s.closed[half:]...)
	}
	s.closed = append(s.closed, c)
}

// present returns the connections that are in the table.
func (s *Server) present() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.conns))
}
