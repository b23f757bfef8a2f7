// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"errors"
	"io"
	"net"
)

// closedHere reports whether a Read or Write has failed because this side has closed
// the connection: a socket, or one in memory.
func closedHere(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}

// WriteFailed is called when a Write has. grpc then closes the connection, as the
// peer has gone.
func (c *Conn) WriteFailed(err error) {
	if !closedHere(err) {
		c.unwritable.Store(true)
	}
}

// severLocked is called with a terminal read error. A connection that this side has
// closed with streams open, although its peer was there, was cut: by Stop, or by one
// of grpc's limits. c.mu must be held.
func (c *Conn) severLocked(err error) {
	c.severed = c.transport && c.http2 && len(c.streams) > 0 &&
		!c.unwritable.Load() && closedHere(err)
}
