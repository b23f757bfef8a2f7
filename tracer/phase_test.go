// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"
)

// TestPhases has a small timeline for each way in which a phase begins or ends.
func TestPhases(t *testing.T) {
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"nothing was registered: quit and listener close are empty",
			returnedAt(5 * ms),
			"quit 0s, listener close 0s, handshake wait 0s, GOAWAY 0s, conn wait 0s, handler wait 5ms",
		}, {
			"each phase has its own end",
			returnedAt(9*sec, listener(1*ms, 2*ms, 3*ms), conn(goAwayAt(5*ms), goneAt(2*sec))),
			"quit 1ms, listener close 2ms, handshake wait 3ms, GOAWAY 5ms, conn wait 2s, handler wait 9s",
		}, {
			"two listeners: the first Close begins, the last one returns",
			returnedAt(9*ms, listener(1*ms, 2*ms, 2*ms), listener(2*ms, 4*ms, 5*ms)),
			"quit 1ms, listener close 4ms, handshake wait 5ms, GOAWAY 5ms, conn wait 5ms, handler wait 9ms",
		}, {
			"a listener was closed before the call: it is not grpc's Close",
			returnedAt(9*ms, listener(-sec, -sec, -sec), listener(3*ms, 4*ms, 4*ms)),
			"quit 3ms, listener close 4ms, handshake wait 4ms, GOAWAY 4ms, conn wait 4ms, handler wait 9ms",
		}, {
			"the only listener was closed before the call",
			returnedAt(9*ms, listener(-sec, -sec, -sec)),
			"quit 0s, listener close 0s, handshake wait 0s, GOAWAY 0s, conn wait 0s, handler wait 9ms",
		}, {
			"another stop holds the lock: no Close has begun",
			unfinishedAt(2*sec, listener(never, never, never)),
			"quit ...",
		}, {
			"a Close that does not return",
			unfinishedAt(2*sec, listener(1*ms, never, never)),
			"quit 1ms, listener close ...",
		}, {
			"an Accept that does not return",
			unfinishedAt(2*sec, listener(0, 0, never)),
			"quit 0s, listener close 0s, handshake wait ...",
		}, {
			"what was not seen to end ended when the call returned",
			returnedAt(2*sec, listener(1*ms, 1*ms, never), conn()),
			"quit 1ms, listener close 1ms, handshake wait 2s, GOAWAY 2s, conn wait 2s, handler wait 2s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := prose(tt.tl.phases()); got != tt.want {
				t.Errorf("phases:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestHandshakeWait has what it waits for, and what not.
func TestHandshakeWait(t *testing.T) {
	failedAt := func(at time.Duration) connChange {
		return func(c *connLine) { c.settled, c.closed, c.gone = at, at, at }
	}
	unserved := func(at time.Duration) connChange {
		return func(c *connLine) { c.accepted, c.handshake, c.closed, c.gone = ms, never, at, at }
	}
	for _, tt := range []struct {
		name string
		conn change
		want string // after listener close
	}{
		{"the handshake ended before the call", conn(goneAt(-sec)), "handshake wait 0s"},
		{"it ends after it", conn(settledAt(3*sec), told(3*sec), goneAt(3*sec)), "handshake wait 3s"},
		{"it fails", raw(failedAt(4 * sec)), "handshake wait 4s"},
		{"closed under it, which has not noticed", raw(closedAt(sec)), "handshake wait 9s"},
		{"accepted after quit, closed unserved", raw(unserved(2 * sec)), "handshake wait 2s"},
		{"accepted after quit, not closed yet", raw(unserved(never)), "handshake wait 9s"},
		{"closed before the call", raw(failedAt(-sec)), "handshake wait 0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := returnedAt(9*sec, oneListener, tt.conn).phases()
			if got := prose(lines[2:3]); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestConnWait has when the last connection is gone.
func TestConnWait(t *testing.T) {
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"the last one counts",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(sec)), conn(told(0), goneAt(3*sec))),
			"conn wait 3s, handler wait 9s",
		}, {
			"one still holds",
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(sec)), conn(told(0))),
			"conn wait ...",
		}, {
			"all are gone while the call lasts",
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(sec))),
			"conn wait 1s, handler wait ...",
		}, {
			"the last Close was not stamped when the call returned",
			returnedAt(9*sec, oneListener, conn(told(0))),
			"conn wait 9s, handler wait 9s",
		}, {
			"a failed handshake is none",
			returnedAt(9*sec, oneListener, raw(goneAt(0), settledAt(0))),
			"conn wait 0s, handler wait 9s",
		}, {
			"without a listener the RPCs stand for their connections",
			returnedAt(9*sec, unary(-sec, 2*sec), unary(-sec, 4*sec)),
			"conn wait 4s, handler wait 9s",
		}, {
			"with one they do not: a handler may outlive its connection",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(sec)), unary(-sec, 9*sec)),
			"conn wait 1s, handler wait 9s",
		}, {
			"given up while a connection holds: no handler wait has begun",
			unfinishedAt(9*sec, oneListener, conn(told(0)), unary(-sec, never), givenUp),
			"conn wait 9s",
		}, {
			"given up while a handler runs",
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(sec)), unary(-sec, never), givenUp),
			"conn wait 1s, handler wait 9s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := prose(tt.tl.phases()[4:]); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
