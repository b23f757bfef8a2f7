// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// grid is the distance of moments in random timelines: coarse, so that things
// happen at the same time, and a divisor of GOAWAY's one second.
const grid = 250 * ms

// steps walks from the call to now, and asks at each moment whether the phase it
// is in is over, by the table of design 3. It is what phases computes, without
// any of its arithmetic.
func steps(tl *timeline) (lines []phaseLine) {
	order := []Phase{
		PhaseQuit, PhaseListenerClose, PhaseHandshakeWait, PhaseGoAway, PhaseConnWait, PhaseHandlerWait,
	}
	if !tl.graceful {
		order = slices.Delete(order, 3, 4)
	}
	in, start := 0, time.Duration(0)
	phase := func() Phase { return order[in] }
	end := func(at time.Duration) {
		lines = append(lines, phaseLine{phase(), start, at})
		in, start = in+1, at
	}
	for at := time.Duration(0); at <= tl.now; at += grid {
		if at == tl.forced && in < len(order) && phase() != PhaseHandlerWait {
			end(at)
			order = append(slices.Clone(order[:in]), PhaseForcedStop, PhaseHandlerWait)
		}
		for in < len(order) && over(tl, phase(), start, at) {
			end(at)
		}
	}
	switch {
	case in == len(order):
	case tl.abandoned:
		end(tl.now)
	default:
		lines = append(lines, phaseLine{phase(), start, never})
	}
	return lines
}

// over reports whether a phase that began at start is over at a moment: all that
// is seen is over, and no dump of the goroutines tells that something else is not.
func over(tl *timeline, p Phase, start, at time.Duration) bool {
	if tl.returned <= at && !tl.abandoned {
		return true
	}
	if !seenOver(tl, p, start, at) {
		return false
	}
	for i := range tl.dumps {
		d := &tl.dumps[i]
		switch p {
		case PhaseHandshakeWait:
			late := d.at >= start && seenOver(tl, p, start, d.at)
			if d.stop == stopInWait && late && !pastHandshakes(tl, d, at) {
				return false
			}
		case PhaseConnWait, PhaseForcedStop:
			since := d.began
			if !slices.ContainsFunc(d.hooks, func(h hookLine) bool { return h.hook == stateStatsHandler }) {
				since -= sec
			}
			late := (since >= start || p == PhaseForcedStop) && seenOver(tl, p, start, since)
			if d.stop == stopInCond && late {
				return false
			}
		}
	}
	return true
}

// pastHandshakes reports whether a stop that a dump shows in a WaitGroup stood in
// the handlers', or was past that of the handshakes at a moment after the dump.
func pastHandshakes(tl *timeline, d *dump, at time.Duration) bool {
	there, released := false, false
	for _, c := range tl.conns {
		if !c.transport || c.settled > d.at || c.gone <= d.at {
			continue
		}
		there = true
		if c.goAway > 0 && c.goAway <= d.at {
			return true
		}
		released = released || !c.exchange || c.goAway <= at || c.gone <= at
	}
	return !there || released && at >= d.at
}

// seenOver is over, going by the sensors alone.
func seenOver(tl *timeline, p Phase, start, at time.Duration) bool {
	all, some, before := true, false, true
	for _, l := range tl.listeners {
		switch p {
		case PhaseQuit:
			before = before && l.closeBegin < 0
			some = some || l.closeBegin >= 0 && l.closeBegin <= at
		case PhaseListenerClose:
			all = all && l.closeEnd <= at
		case PhaseHandshakeWait, PhaseForcedStop:
			all = all && l.closeEnd <= at && l.acceptReturned <= at
		}
	}
	for _, c := range tl.conns {
		unserved := c.handshake == never && c.closed <= at
		shaken := c.settled <= at || unserved
		sent := c.goAway <= at || c.closing <= at || c.closed <= at || c.gone <= at
		skipped := !c.exchange || c.goAway <= start || c.gone <= start ||
			c.closing <= start || c.closed <= start ||
			start-c.writeSince >= sec ||
			start-c.longWrite[0] >= sec && c.longWrite[1] >= start
		switch {
		case p == PhaseHandshakeWait:
			all = all && shaken
		case p == PhaseGoAway && c.transport:
			all = all && (sent || skipped || at-start >= sec)
		case p == PhaseConnWait && c.transport:
			all = all && c.gone <= at
		case p == PhaseForcedStop:
			all = all && shaken && (!c.transport || c.gone <= at)
		}
	}
	for _, r := range tl.rpcs {
		if len(tl.listeners) == 0 && (p == PhaseConnWait || p == PhaseForcedStop) {
			all = all && r.end <= at
		}
	}
	switch p {
	case PhaseQuit:
		return before || some
	case PhaseHandlerWait:
		return false // the call has not returned
	}
	return all
}

// random makes a timeline in which everything may be anywhere, as long as one
// thing follows another as it does in grpc.
func random(r *rand.Rand) *timeline {
	const last = 40
	after := func(from time.Duration) time.Duration { // never, at from, or later
		switch r.IntN(5) {
		case 0:
			return never
		case 1:
			return from
		}
		if from == never {
			return never
		}
		return from + time.Duration(r.IntN(12))*grid
	}
	tl := &timeline{
		graceful: r.IntN(4) > 0, now: time.Duration(r.IntN(last)) * grid, returned: never, forced: never,
		cutAll: never,
	}
	for range r.IntN(4) {
		begin := after(time.Duration(r.IntN(8)-4) * grid)
		end := after(begin)
		listener(begin, end, after(end))(tl)
	}
	for range r.IntN(5) {
		settled := after(time.Duration(r.IntN(24)-16) * grid)
		goAway, closed := after(settled), after(settled)
		wrote := time.Duration(r.IntN(24)-16) * grid
		gone := after(closed)
		change := []connChange{
			settledAt(settled), goAwayAt(goAway), closedAt(closed),
			blockedSince(after(time.Duration(r.IntN(24)-16) * grid)),
			wroteUntil(wrote, wrote+time.Duration(r.IntN(24))*grid),
			func(c *connLine) {
				c.gone, c.exchange = gone, c.exchange && r.IntN(4) > 0
				c.frames = c.exchange && r.IntN(4) > 0
				if r.IntN(4) == 0 {
					c.closing = after(settled)
				}
				c.pingAck = after(goAway)
				c.finalGoAw = after(c.pingAck)
				c.streams = r.IntN(3)
			},
		}
		switch unserved := func(c *connLine) { c.handshake, c.settled = never, never }; {
		case r.IntN(4) == 0:
			raw(append(change, unserved)...)(tl)
		case settled == never:
			raw(change...)(tl)
		default:
			conn(change...)(tl)
		}
		for range r.IntN(3) {
			begin := time.Duration(r.IntN(24)-16) * grid
			stream(begin, after(begin), cancelledAt(after(begin)))(tl)
		}
	}
	for range r.IntN(3) {
		begin := time.Duration(r.IntN(24)-16) * grid
		unary(begin, after(begin), onUnknownConnection)(tl)
	}
	if tl.now > 0 && r.IntN(3) == 0 {
		tl.forced = time.Duration(1+r.IntN(int(tl.now/grid))) * grid
	}
	switch r.IntN(3) {
	case 0:
		tl.returned = max(time.Duration(r.IntN(int(tl.now/grid)+1))*grid, min(tl.forced, tl.now))
		if tl.forced == never {
			tl.returned = time.Duration(r.IntN(int(tl.now/grid)+1)) * grid
		}
		tl.settle()
	case 1:
		givenUp(tl)
	}
	for at := time.Duration(r.IntN(last)) * grid; at <= tl.now; at += time.Duration(r.IntN(12)) * grid {
		began := max(0, at-time.Duration(r.IntN(2))*grid)
		stops := []stopFrame{stopUnknown, stopInWait, stopInCond}
		d := dump{began: began, at: at, stop: stops[r.IntN(len(stops))]}
		if r.IntN(2) == 0 {
			d.hooks = []hookLine{{hook: stateStatsHandler, count: 1}}
		}
		tl.dumps = append(tl.dumps, d)
		if len(tl.dumps) == 3 {
			break
		}
	}
	return tl
}

// TestPhasesAgreeWithTheirTwin on random timelines.
func TestPhasesAgreeWithTheirTwin(t *testing.T) {
	for seed := range uint64(50_000) {
		tl := random(rand.New(rand.NewPCG(seed, 0)))
		got, want := tl.phases(), steps(tl)
		if diff := cmp.Diff(prose(want), prose(got)); diff != "" {
			t.Fatalf("seed %d: (-twin +phases):\n%s\n%+v", seed, diff, tl)
		}
	}
}

// TestPhasesAreTheWholeCall: they are sequential, abut, begin at the call and
// end at its return, or go on until now.
func TestPhasesAreTheWholeCall(t *testing.T) {
	for seed := range uint64(5_000) {
		tl := random(rand.New(rand.NewPCG(seed, 1)))
		lines := tl.phases()
		at := time.Duration(0)
		for i, l := range lines {
			last := i == len(lines)-1
			switch {
			case l.start != at:
				t.Fatalf("seed %d: %s starts at %s, want %s", seed, l.phase, l.start, at)
			case l.end == never && (!last || tl.returned <= tl.now):
				t.Fatalf("seed %d: %s still lasts, and is not the last or the call returned", seed, l.phase)
			case l.end != never && (l.end < l.start || l.end > tl.now):
				t.Fatalf("seed %d: %s from %s to %s, now %s", seed, l.phase, l.start, l.end, tl.now)
			case last && l.end != never && l.end != tl.returned:
				t.Fatalf("seed %d: the last phase ends at %s, the call at %s", seed, l.end, tl.returned)
			}
			at = l.end
		}
	}
}
