// SPDX-License-Identifier: Apache-2.0

package server

import "time"

// Bounds of what is kept of a budget for its end.
const (
	maxReserve     = 2 * time.Second
	reserveDivisor = 5
	// maxAppFlush bounds the application's flush where there is time left.
	maxAppFlush = 5 * time.Second
	// cutTime is what a forced stop takes for each RPC where there are many: 10 to 35
	// microseconds were measured with 100,000 on two processors, clients included.
	cutTime = 25 * time.Microsecond
	// cutWorthIt is the least that is set aside for that.
	cutWorthIt = 100 * time.Millisecond
)

// plan is how a budget is cut: its parts follow one another.
type plan struct {
	budget   time.Duration
	lameDuck time.Duration
	drain    time.Duration
	forced   time.Duration // the forced stop, and the handlers that it cuts
	appFlush time.Duration
	flush    time.Duration // of the trace
}

// plan cuts a budget. A fifth, at most 2 s, is kept for the forced stop and the
// flush, and as much for the application's own flush if there is one. Of the rest
// the lame duck gets at most half.
func (s *Server) plan(budget time.Duration) plan {
	p := plan{budget: max(budget, 0)}
	reserve := min(p.budget/reserveDivisor, maxReserve)
	p.forced, p.flush = reserve/2, reserve-reserve/2
	if len(s.flushes) > 0 {
		p.appFlush = reserve
	}
	rest := p.budget - reserve - p.appFlush
	p.lameDuck = min(s.duck, rest/2)
	p.drain = rest - p.lameDuck
	return p
}

// expect gives the forced stop more of the drain where many RPCs are in flight: up
// to as much again as is kept for the end of any stop.
func (p *plan) expect(rpcs int) {
	more := min(time.Duration(rpcs)*cutTime, p.budget/reserveDivisor, p.drain/2)
	if more >= cutWorthIt {
		p.drain, p.forced = p.drain-more, p.forced+more
	}
}

// leaveFlush leaves the flush to a group, and gives its time to the drain.
func (p *plan) leaveFlush() { p.drain, p.flush = p.drain+p.flush, 0 }

// end is what comes after the drain.
func (p *plan) end() time.Duration { return p.forced + p.appFlush + p.flush }
