// SPDX-License-Identifier: Apache-2.0

package server

import "time"

// Bounds of what is kept of a budget for its end.
const (
	maxReserve     = 2 * time.Second
	reserveDivisor = 5
	// maxAppFlush bounds the application's flush where there is time left.
	maxAppFlush = 5 * time.Second
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

// leaveFlush leaves the flush to a group, and gives its time to the drain.
func (p *plan) leaveFlush() { p.drain, p.flush = p.drain+p.flush, 0 }

// end is what comes after the drain.
func (p *plan) end() time.Duration { return p.forced + p.appFlush + p.flush }
