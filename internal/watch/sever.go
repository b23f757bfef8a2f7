// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// closedHere reports whether a Read or Write has failed because this side has closed
// the connection: a socket, or one in memory.
func closedHere(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// severing tells a connection that was cut from one that grpc gave up.
type severing struct {
	unwritable atomic.Bool  // see WriteFailed
	closeBegun atomic.Bool  // see CloseBegin
	givenUp    atomic.Bool  // see GivenUp
	pings      atomic.Int32 // that the server sent and the client has not acknowledged
}

// CloseBegin is called before this side closes the connection.
func (c *Conn) CloseBegin() { c.closeBegun.Store(true) }

// WriteFailed is called when a Write has. grpc then closes the connection, as the
// peer has gone: of a connection in memory the error is the same as if this side had
// closed it.
func (c *Conn) WriteFailed(err error) {
	if !closedHere(err) || !c.closeBegun.Load() {
		c.unwritable.Store(true)
	}
}

// PingSent is called when a PING has left that is no acknowledgement. A client that
// does not answer one of grpc's keepalive is given up.
func (c *Conn) PingSent() { c.pings.Add(1) }

// PingAcked is called when the client has acknowledged a PING.
func (c *Conn) PingAcked() {
	if c.pings.Add(-1) < 0 { // of none: no client of good will does that
		c.pings.Store(0)
	}
}

// GivenUp is called when a GOAWAY has left that names an error.
func (c *Conn) GivenUp() { c.givenUp.Store(true) }

// severLocked is called with a terminal read error. A connection that this side has
// closed with streams open, although its peer was there and had answered all it was
// asked, was cut: by Stop, or by MaxConnectionAgeGrace, which leaves no sign if it
// began after the first GOAWAY. c.mu must be held.
func (c *Conn) severLocked(err error) {
	c.severed = c.transport && c.http2 && len(c.streams) > 0 && closedHere(err) &&
		!c.unwritable.Load() && !c.givenUp.Load() && c.pings.Load() == 0
}
