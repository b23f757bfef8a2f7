// SPDX-License-Identifier: Apache-2.0

package server

import (
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// forceWait is how long a forced Stop is given before every connection is
// closed under it: Stop waits for handshakes, and on grpc-go up to 1.84 for
// the lock that a GracefulStop holds while handlers run.
const forceWait = 100 * time.Millisecond

// limits are what the parts of a forced stop may take at most.
type limits struct {
	snapshot time.Duration // to see what is going to be cut
	stop     time.Duration // grpc's Stop, until every connection is closed under it
	// whole is for all, with the handlers to end that have lost their connection.
	// These get as long as Stop at least.
	whole time.Duration
}

// stopLimits are those of a Stop, which has no deadline.
var stopLimits = limits{snapshot: time.Second, stop: forceWait}

// forceLeast is what each part of a forced stop gets of a budget that was used up
// before: less would tell of handlers that are just ending as left behind, and of
// RPCs that are just being cut as not cut.
const forceLeast = 10 * time.Millisecond

// limits cuts what a plan has for the forced stop.
func (p *plan) limits() limits {
	half := max(p.forced/2, forceLeast)
	return limits{snapshot: half, stop: min(forceWait, half), whole: p.forced}
}

// force stops what a GracefulStop waits for. It depends on nobody: what the
// application's code keeps from ending is left behind, and the trace names it.
// Others that force the same stop wait for the first.
func (s *Server) force(st *stop, l limits) {
	if st.forcing.Swap(true) {
		within(max(l.whole, 2*l.stop), st.forced)
		return
	}
	defer close(st.forced)
	if !st.abandoned() {
		return
	}
	began := time.Now()
	st.snapshot(l.snapshot)
	s.stopHTTP()
	s.t.Table().ReleaseListeners()
	s.t.Table().CloseHandshakes()
	stopped := make(chan struct{})
	go func() { // its end is awaited, but not for ever: see forceWait
		defer close(stopped)
		s.grpc.Stop()
		st.trace.Cut()
	}()
	if !within(l.stop, stopped) {
		s.t.Table().CloseConns()
	}
	within(max(l.whole-time.Since(began), l.stop), st.returned)
}

// snapshot tells the trace, which looks at what is there and at the goroutines.
func (st *stop) snapshot(limit time.Duration) {
	held := make(chan []tracer.Holder, 1)
	go func() { held <- st.trace.Forced() }() // ends by itself
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case hs := <-held:
		st.held.Store(&hs)
	case <-timer.C:
		st.trace.Forcing()
	}
}

// within waits for done, for at most d, and reports whether it came.
func within(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
