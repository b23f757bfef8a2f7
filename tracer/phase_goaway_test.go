// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"
)

// TestGoAwayPhase has for which connections the phase waits, and for how long.
// It begins at 2 s, when a handshake has ended; the others are gone at 8 s.
func TestGoAwayPhase(t *testing.T) {
	late := conn(settledAt(2*sec), told(2*sec), goneAt(2*sec))
	for _, tt := range []struct {
		name  string
		conns []change
		want  string
	}{
		{"there is none", nil, "GOAWAY 2s"},
		{"it leaves", []change{conn(goAwayAt(2*sec+5*ms), goneAt(8*sec))}, "GOAWAY 2.005s"},
		{
			"the last of several",
			[]change{
				conn(goAwayAt(2*sec+70*ms), goneAt(8*sec)),
				conn(goAwayAt(2*sec+5*ms), goneAt(8*sec)),
			},
			"GOAWAY 2.07s",
		},
		{"at most one second", []change{conn(goneAt(8 * sec))}, "GOAWAY 3s"},
		{"it leaves later than that", []change{conn(goAwayAt(5*sec), goneAt(8*sec))}, "GOAWAY 3s"},
		{"it has left before: draining for max_age", []change{conn(goAwayAt(-sec), goneAt(8*sec))}, "GOAWAY 2s"},
		{"gone before", []change{conn(goneAt(sec))}, "GOAWAY 2s"},
		{"gone without one", []change{conn(goneAt(2*sec + 9*ms))}, "GOAWAY 2.009s"},
		{
			"closing: its reader has not noticed",
			[]change{conn(goneAt(8*sec), closedAt(sec))}, "GOAWAY 2s",
		},
		{"closed in the phase", []change{conn(goneAt(8*sec), closedAt(2*sec+9*ms))}, "GOAWAY 2.009s"},
		{"frames are not seen", []change{conn(unseen, goneAt(8*sec))}, "GOAWAY 2s"},
		{
			"frames are not seen, and grpc's own source tells",
			[]change{conn(framesUnseen, goAwayAt(2*sec+5*ms), goneAt(8*sec))}, "GOAWAY 2.005s",
		},
		{"grpc closes it, which hangs", []change{conn(closingAt(sec), goneAt(8*sec))}, "GOAWAY 2s"},
		{"and began to in the phase", []change{conn(closingAt(2*sec+9*ms), goneAt(8*sec))}, "GOAWAY 2.009s"},
		{"a Write blocked for 1 s", []change{conn(blockedSince(sec), goneAt(8*sec))}, "GOAWAY 2s"},
		{"a Write not yet blocked", []change{conn(blockedSince(sec+ms), goneAt(8*sec))}, "GOAWAY 3s"},
		{
			"a Write blocked for 1 s that ended later",
			[]change{conn(wroteUntil(sec, 8*sec), goneAt(8*sec))}, "GOAWAY 2s",
		},
		{
			"one that was not yet blocked",
			[]change{conn(wroteUntil(sec+ms, 8*sec), goneAt(8*sec))}, "GOAWAY 3s",
		},
		{
			"one that ended before",
			[]change{conn(wroteUntil(-sec, 2*sec-ms), goneAt(8*sec))}, "GOAWAY 3s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := returnedAt(9*sec, append([]change{oneListener, late}, tt.conns...)...)
			if got := prose(tl.phases()[3:4]); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestStopHasNoGoAway: Stop closes at once.
func TestStopHasNoGoAway(t *testing.T) {
	tl := returnedAt(2*sec, onlyStop, oneListener, conn(goneAt(ms)), unary(-sec, 2*sec))
	want := "quit 0s, listener close 0s, handshake wait 0s, conn wait 1ms, handler wait 2s"
	if got := prose(tl.phases()); got != want {
		t.Errorf("phases:\n got %s\nwant %s", got, want)
	}
}

// TestForcedStop: the wait that it ends, ends there; the forced stop lasts until
// the last connection is gone.
func TestForcedStop(t *testing.T) {
	shaking := raw(settledAt(5*sec+ms), goneAt(5*sec+ms))
	mute := conn(goneAt(5*sec + 2*ms))
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string // after listener close
	}{
		{
			"in handshake wait: nobody was told",
			returnedAt(6*sec, oneListener, shaking, mute, forcedAt(5*sec)),
			"handshake wait 5s, forced stop 5.002s, handler wait 6s",
		}, {
			"in GOAWAY",
			returnedAt(6*sec, oneListener, mute, conn(settledAt(4500*ms), goneAt(4501*ms)), forcedAt(5*sec)),
			"handshake wait 4.5s, GOAWAY 5s, forced stop 5.002s, handler wait 6s",
		}, {
			"in conn wait",
			returnedAt(6*sec, oneListener, conn(told(0), goneAt(5*sec+3*ms)), forcedAt(5*sec)),
			"handshake wait 0s, GOAWAY 0s, conn wait 5s, forced stop 5.003s, handler wait 6s",
		}, {
			"all go at that very moment",
			returnedAt(5*sec, oneListener, conn(told(0), goneAt(5*sec)), forcedAt(5*sec)),
			"handshake wait 0s, GOAWAY 0s, conn wait 5s, forced stop 5s, handler wait 5s",
		}, {
			"in handler wait: there is nothing to force",
			returnedAt(6*sec, oneListener, conn(told(0), goneAt(sec)), forcedAt(5*sec)),
			"handshake wait 0s, GOAWAY 0s, conn wait 1s, handler wait 6s",
		}, {
			"it still lasts",
			unfinishedAt(6*sec, oneListener, conn(told(0)), forcedAt(5*sec)),
			"handshake wait 0s, GOAWAY 0s, conn wait 5s, forced stop ...",
		}, {
			"given up: a connection survives",
			unfinishedAt(6*sec, oneListener, conn(told(0)), forcedAt(5*sec), givenUp),
			"handshake wait 0s, GOAWAY 0s, conn wait 5s, forced stop 6s",
		}, {
			"given up: a handshake survives",
			unfinishedAt(6*sec, oneListener, raw(), conn(), forcedAt(5*sec), givenUp),
			"handshake wait 5s, forced stop 6s",
		}, {
			"given up: a handler survives",
			unfinishedAt(6*sec, oneListener, conn(told(0), goneAt(5*sec)), unary(0, never),
				forcedAt(5*sec), givenUp),
			"handshake wait 0s, GOAWAY 0s, conn wait 5s, forced stop 5s, handler wait 6s",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := prose(tt.tl.phases()[2:]); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestLeft counts what there is at a moment; what ends then is not there.
func TestLeft(t *testing.T) {
	tl := returnedAt(9*sec, oneListener,
		raw(settledAt(3*sec), closedAt(3*sec)),
		conn(told(0), goneAt(5*sec)), unary(-sec, 4*sec), unary(2*sec, 7*sec),
		conn(told(0), goneAt(8*sec)), unary(-sec, 8*sec, cancelledAt(6*sec)))
	for at, want := range map[time.Duration]Left{
		0:         {Handshakes: 1, Connections: 2, RPCs: 2},
		2 * sec:   {Handshakes: 1, Connections: 2, RPCs: 3},
		3 * sec:   {Connections: 2, RPCs: 3},
		4 * sec:   {Connections: 2, RPCs: 2},
		5 * sec:   {Connections: 1, RPCs: 1, Handlers: 1},
		6 * sec:   {Connections: 1, Handlers: 2},
		7 * sec:   {Connections: 1, Handlers: 1},
		8 * sec:   {},
		-30 * sec: {Handshakes: 1, Connections: 2},
	} {
		if got := tl.left(at); got != want {
			t.Errorf("left at %s: %+v, want %+v", at, got, want)
		}
	}
}
