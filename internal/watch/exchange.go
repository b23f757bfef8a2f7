// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io"
	"net"
)

// exchange is what the frames of a connection tell: RFC 9113 section 6.8 and
// what grpc-go makes of it (internal/transport.(*http2Server).Drain). Guarded
// by Conn.mu.
type exchange struct {
	http2       bool    // frames are seen in both directions
	goAway      Instant // the first GOAWAY has left
	ping        Instant // the PING after it has left
	pingAck     Instant // and was acknowledged
	finalGoAway Instant // the GOAWAY that names the last stream has left
	lastStream  uint32  // which that is
	byPlane     bool    // see ListenerDrained

	streams   map[uint32]side // the open ones, by id
	halfOpen  int             // of those, the ones whose client has not ended its side
	maxStream uint32          // highest stream id the client has opened
	late      int             // streams opened during a shutdown
	lastLate  Instant         // when the last of those was
	doneAt    Instant         // when the last open stream was closed
}

// side is the client's side of an open stream.
type side bool

const (
	sideOpen  side = false // more of the request is to come
	sideEnded side = true  // its END_STREAM has arrived: RFC 9113, section 5.1
)

// FramesSeen is called once both directions were recognised as HTTP/2.
func (c *Conn) FramesSeen() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.http2 = true
}

// StreamOpened is called when the client's HEADERS have arrived. ended says that
// it sends nothing more on the stream.
func (c *Conn) StreamOpened(id uint32, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id <= c.maxStream { // trailers, or a protocol error that grpc will answer
		if ended {
			c.endSide(id)
		}
		return
	}
	if c.finalGoAway != 0 && id > c.lastStream {
		return // too late: grpc drops it without a word
	}
	c.maxStream = id
	if c.srv.watchedSince.get() != 0 {
		c.late++
		c.lastLate = c.srv.Now()
	}
	if c.streams == nil {
		c.streams = make(map[uint32]side)
	}
	c.streams[id] = side(ended)
	if !ended {
		c.halfOpen++
	}
}

// ClientEnded is called when the client's END_STREAM has arrived.
func (c *Conn) ClientEnded(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endSide(id)
}

// endSide ends the client's side of a stream, if that is open. c.mu must be held.
func (c *Conn) endSide(id uint32) {
	if s, ok := c.streams[id]; ok && s == sideOpen {
		c.streams[id] = sideEnded
		c.halfOpen--
	}
}

// forgetStream takes a stream out that is open. c.mu must be held.
func (c *Conn) forgetStream(id uint32, s side) {
	if s == sideOpen {
		c.halfOpen--
	}
	delete(c.streams, id)
}

// StreamClosed is called when the server's END_STREAM has left or a
// RST_STREAM went in either direction; one may follow the other.
func (c *Conn) StreamClosed(id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.streams[id]
	if !ok {
		return
	}
	c.forgetStream(id, s)
	if len(c.streams) == 0 && c.srv.watchedSince.get() != 0 {
		c.doneAt = c.srv.Now()
	}
}

// GoAwaySent is called when a GOAWAY has left. headsUp says that it is the first
// of two, which names the highest possible stream; else last is the last stream
// that the server will serve.
func (c *Conn) GoAwaySent(headsUp bool, last uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.srv.Now()
	if !headsUp && c.finalGoAway == 0 {
		c.finalGoAway, c.lastStream = now, last
		for id, s := range c.streams {
			if id > last {
				c.forgetStream(id, s)
			}
		}
	}
	c.goAwayLocked(now)
}

// ListenerDrained is called when a GOAWAY has left for which a control plane is the
// reason: it has changed the listener, or taken it away.
func (c *Conn) ListenerDrained() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byPlane = true
}

// goAwayLocked is called when a GOAWAY has left: the first one counts. c.mu must be
// held.
func (c *Conn) goAwayLocked(now Instant) {
	if c.goAway != 0 {
		return
	}
	c.goAway = now
	c.srv.draining.Store(true)
	if c.transport && !c.removed {
		c.srv.mu.Lock()
		defer c.srv.mu.Unlock()
		c.srv.sentLocked()
	}
}

// DrainPingSent is called when the PING that follows the first GOAWAY left.
func (c *Conn) DrainPingSent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ping == 0 {
		c.ping = c.srv.Now()
	}
}

// DrainPingAcked is called when its acknowledgement has arrived.
func (c *Conn) DrainPingAcked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pingAck == 0 {
		c.pingAck = c.srv.Now()
	}
}

// ConnState is a snapshot of a Conn. Instants that have not happened are zero.
type ConnState struct {
	ID       uint64
	Addr     net.Addr // the very value RemoteAddr returns, to be compared only; nil: not known yet
	Listener string
	Accepted Instant

	// Handshake is zero for a connection that was accepted after quit and
	// closed unserved. Settled is its end; Transport says how it ended.
	Handshake, Settled Instant
	Timeout            int64 // ConnectionTimeout, nanoseconds
	Stage              Stage
	Transport          bool
	Cut                Instant // closed by us while it shook hands

	BytesRead, BytesWritten int64
	Reading                 bool
	WriteSince, LastRead    Instant
	// UnreadSince and UnreadUntil are of the longest time in which grpc's reader
	// did not read, of 1 s or more, since Watch; UnreadUntil is zero while it lasts.
	UnreadSince, UnreadUntil Instant
	// LongWriteSince and LongWriteUntil are of the Write that had been in flight
	// for LongWrite or longer when the handshake wait ended, if that has ended.
	LongWriteSince, LongWriteUntil     Instant
	Bare                               bool // the credentials read past the sensors
	HTTP2                              bool // frames were seen
	GoAway, Ping, PingAck, FinalGoAway Instant
	ByPlane                            bool // a control plane is the reason for GoAway
	Streams                            int  // open now
	HalfOpen                           int  // of these, those whose client has not ended its side
	Late                               int  // opened since Watch
	LastLate, StreamsDone              Instant

	ReadErr, Closed, Gone Instant
	Severed               bool // closed by this side, which was not asked to, with streams open
	// Inside says that GoAway, PingAck and FinalGoAway are known although no frames
	// are: grpc's own source tells. Closing is when it began to close it, zero if
	// nobody tells.
	Inside  bool
	Closing Instant

	raw io.Closer
}

// Local returns our own address of the connection, nil if it has none. It asks
// the connection itself, which may be the application's own.
func (s *ConnState) Local() (a net.Addr) {
	defer func() {
		if recover() != nil {
			a = nil
		}
	}()
	if c, ok := s.raw.(interface{ LocalAddr() net.Addr }); ok {
		return c.LocalAddr()
	}
	return nil
}

func (c *Conn) state() ConnState {
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := c.pauseLocked()
	return ConnState{
		ID: c.id, Addr: c.peer,
		Listener: c.listener, Accepted: c.accepted,
		Handshake: c.handshake.get(), Settled: c.settled.get(), Timeout: c.timeout.Load(),
		Stage: Stage(c.stage.Load()), Transport: c.transport, Cut: c.cut,
		BytesRead: c.read.Load(), BytesWritten: c.written.Load(),
		Reading: c.readSince.get() != 0, WriteSince: c.writeSince.get(),
		LastRead: c.lastRead.get(), UnreadSince: pause.since, UnreadUntil: pause.until,
		Bare: c.bare.Load(), HTTP2: c.http2,
		LongWriteSince: c.longWrite.since, LongWriteUntil: c.longWrite.until,
		GoAway: c.goAway, Ping: c.ping, PingAck: c.pingAck, FinalGoAway: c.finalGoAway,
		ByPlane: c.byPlane,
		Streams: len(c.streams), HalfOpen: c.halfOpen,
		Late: c.late, LastLate: c.lastLate, StreamsDone: c.doneAt,
		ReadErr: c.readErr, Closed: c.closed, Gone: c.goneLocked(), Severed: c.severed,
		Inside: c.goAways && !c.http2, Closing: c.closing,
		raw: c.raw,
	}
}

// goneLocked is when grpc let go of the connection: as it says itself, or the later
// of its terminal read error and the Close after it that tells, see letGoLocked. Where
// the reader's end can't be seen (TLS that is not wrapped), the first Close counts.
func (c *Conn) goneLocked() Instant {
	switch {
	case c.leaves:
		return c.left
	case c.gone != 0:
		return c.gone
	case c.closed == 0:
		return 0
	case c.readErr != 0:
		return max(c.closed, c.readErr)
	case c.transport && c.http2 && !c.removed:
		return 0 // see readerHolds
	}
	return c.closed
}
