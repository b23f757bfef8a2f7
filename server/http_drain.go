// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"time"
)

// awaitHTTP waits for the RPCs that came through ServeHTTP, which grpc's
// GracefulStop would cut. limit is how long it may where grpc has connections of
// its own, which nobody tells meanwhile; zero: for as long as they take. Those that
// are left then, or at a forced stop, are cut.
func (s *Server) awaitHTTP(st *stop, limit time.Duration) {
	idle := s.http.refuse()
	select {
	case <-idle:
		return
	default:
	}
	defer st.trace.AwaitHTTP()()
	var late <-chan time.Time
	if limit > 0 && s.t.Table().Listening() {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-idle:
	case <-st.over: // something of the application's keeps ServeHTTP
	case <-late:
		st.lateHTTP = true
		st.trace.CutHTTP()
		s.http.cut()
		within(forceWait, idle)
	}
}

// gracefulStop is grpc's. On an old grpc-go it waits for RPCs that came through
// grpc's own ServeHTTP, of which we know nothing.
func (s *Server) gracefulStop(st *stop) {
	for !s.drained() {
		if within(drainAgain, st.over) {
			return // it was given up
		}
	}
}

// errServeHTTP is why a shutdown cut RPCs that nobody forced.
var errServeHTTP = errors.New("server: GracefulStop cut RPCs that came through grpc's ServeHTTP")

// drainAgain is how often a GracefulStop is tried that cannot be made yet.
const drainAgain = 20 * time.Millisecond

// noDrain is what grpc-go up to 1.81 panics with when it stops gracefully while
// a ServeHTTP transport is there.
const noDrain = "Drain() is not implemented"

// drained calls grpc's GracefulStop and reports whether it was made. If not it has
// to be made again: until then some clients may have got their GOAWAY and others
// not, and nobody is cut.
func (s *Server) drained() (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			if v != noDrain {
				panic(v) // its stack is still there to be seen
			}
			ok = false
		}
	}()
	s.grpc.GracefulStop()
	return true
}

// stopHTTP ends the RPCs that came through ServeHTTP, before grpc's Stop does.
func (s *Server) stopHTTP() {
	s.http.refuse()
	s.http.cut()
}
