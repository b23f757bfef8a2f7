// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// compiledAt has grpc's own source tell all boundaries, in their order.
func compiledAt(closing, closed, shaken, queued, gone time.Duration) change {
	return func(tl *timeline) {
		tl.compiled = compiledLine{
			watch.ListenersClosing: closing, watch.ListenersClosed: closed,
			watch.HandshakesOver: shaken, watch.GoAwayQueued: queued, watch.ConnsGone: gone,
		}
	}
}

// untold takes a boundary away: its point is missing.
func untold(b watch.Boundary) change { return func(tl *timeline) { delete(tl.compiled, b) } }

// TestCompiledPhases has grpc's own boundaries beside what was seen from outside.
func TestCompiledPhases(t *testing.T) {
	seen := []change{listener(1*ms, 2*ms, 3*ms), conn(goAwayAt(5*ms), goneAt(2*sec))}
	with := func(more ...change) []change { return append(seen[:2:2], more...) }
	all := compiledAt(2*ms, 3*ms, 4*ms, 5*ms, 3*sec)
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"they win", returnedAt(9*sec, with(all)...),
			"quit 2ms, listener close 3ms, handshake wait 4ms, GOAWAY 5ms, conn wait 3s, handler wait 9s",
		}, {
			"a GOAWAY leaves later than it is queued",
			returnedAt(9*sec, with(compiledAt(2*ms, 3*ms, 4*ms, 4*ms, 3*sec))...),
			"quit 2ms, listener close 3ms, handshake wait 4ms, GOAWAY 5ms, conn wait 3s, handler wait 9s",
		}, {
			"one point is missing: that boundary is seen from outside",
			returnedAt(9*sec, with(all, untold(watch.ConnsGone))...),
			"quit 2ms, listener close 3ms, handshake wait 4ms, GOAWAY 5ms, conn wait 2s, handler wait 9s",
		}, {
			"stop is waiting, whatever is seen",
			unfinishedAt(9*sec, with(compiledAt(2*ms, 3*ms, 4*ms, 5*ms, never))...),
			"quit 2ms, listener close 3ms, handshake wait 4ms, GOAWAY 5ms, conn wait ...",
		}, {
			"another stop call has the lock",
			unfinishedAt(9*sec, with(compiledAt(never, never, never, never, never))...),
			"quit ...",
		}, {
			"a listener's Close may be no stop",
			unfinishedAt(9*sec, with(all, func(tl *timeline) { tl.unannounced = true })...),
			"quit 1ms, listener close 2ms, handshake wait 3ms, GOAWAY 5ms, conn wait 2s, handler wait ...",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := prose(tt.tl.phases()); got != tt.want {
				t.Errorf("phases:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestCompiledSettles: a connection has gone when grpc says that none is left, even
// if its Close has not been stamped yet, and holds nothing after.
func TestCompiledSettles(t *testing.T) {
	tl := returnedAt(9*sec, listener(0, 0, 0), conn(goAwayAt(1*ms)),
		compiledAt(0, 0, 0, 1*ms, 2*sec))
	if got := tl.conns[0].gone; got != 2*sec {
		t.Errorf("gone at %s, want 2s", got)
	}
	if n := tl.left(2 * sec); n != (Left{}) {
		t.Errorf("at 2s %+v is left, want nothing", n)
	}
}

// TestSources has each way in which a stop becomes known.
func TestSources(t *testing.T) {
	for want, call := range map[string]Call{
		"call": {Graceful: true}, "compiled": {Graceful: true, Compiled: true},
		"listener": {unannounced: true},
	} {
		for _, a := range call.attrs() {
			if a.key == keySource && a.value != want {
				t.Errorf("%s is %v, want %s", keySource, a.value, want)
			}
		}
	}
}
