// SPDX-License-Identifier: Apache-2.0

package watch

import "time"

// inside is what grpc's own source tells of a connection, where that is
// instrumented: see package weave. Guarded by Conn.mu.
type inside struct {
	goAways bool    // its GOAWAYs are told, which counts where frames are not seen
	leaves  bool    // and when grpc lets go of it, which counts always
	handing bool    // a first GOAWAY is being handed to the framer
	queued  Instant // it was queued
	headsUp Instant // the first one was handed over
	closing Instant // grpc begins to close it
	left    Instant // grpc has let go of it
	// unflushed is not zero while the first GOAWAY is in grpc's write buffer, for
	// all that is known: see Conn.flushed. Not guarded.
	unflushed atomicInstant
}

// noAck is for how long grpc waits for the acknowledgement of the PING after the
// first GOAWAY, before it sends the final one without:
// internal/transport.(*http2Server).outgoingGoAwayHandler.
const noAck = 5 * time.Second

// Inside says that grpc has made a transport of the connection, and what its
// source tells of it from now on: its GOAWAYs, and when it lets go of it. GOAWAYs
// are told whole or not at all, as one is taken for the first or the final one by
// what came before.
func (c *Conn) Inside(goAways, leaves bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.removed {
		return // closed by then: nobody waits for it any more
	}
	c.goAways, c.leaves = goAways, leaves
}

// GoAwayQueued is called when grpc is about to queue a first GOAWAY.
func (c *Conn) GoAwayQueued() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued == 0 {
		c.queued = c.srv.Now()
	}
}

// GoAwayBegin is called before grpc's writer hands a GOAWAY to the framer.
func (c *Conn) GoAwayBegin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.handing = c.closing == 0 // else grpc drops it
}

// GoAwayEnd is called after. Of a connection that was told to drain it is the first
// of two, unless that has been handed over already, and waits in a buffer; else it
// is the last one, and has been written.
func (c *Conn) GoAwayEnd() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.goAways || c.http2 || !c.handing {
		return
	}
	now := c.srv.Now()
	if c.queued != 0 && c.headsUp == 0 {
		c.headsUp = now
		if c.srv.watchedSince.get() != 0 {
			c.unflushed.Store(int64(now))
			return
		}
		c.goAwayLocked(now)
		return
	}
	c.unflushed.Store(0)
	c.goAwayLocked(now)
	if c.finalGoAway == 0 {
		c.finalGoAway = now
		if c.headsUp != 0 && now-c.headsUp < Instant(noAck) {
			c.pingAck = now // it is what this one was sent upon
		}
	}
}

// flushed is called after a Write during a shutdown: the goroutine that hands over
// GOAWAYs is the one that writes, so the first one has left.
func (c *Conn) flushed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unflushed.get() != 0 {
		c.unflushed.Store(0)
		c.goAwayLocked(c.srv.Now())
	}
}

// Closing is called before grpc closes the transport.
func (c *Conn) Closing() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing == 0 {
		c.closing = c.srv.Now()
	}
}

// Left is called when grpc has let go of the connection.
func (c *Conn) Left() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaves && c.left == 0 {
		c.left = c.srv.Now()
		c.settleLocked()
	}
}
