// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/tracer"
)

// stop is the first stop call of a server. The others join it.
type stop struct {
	graceful bool
	timed    bool // a Shutdown, which ends by its deadline
	trace    *tracer.Shutdown
	hurry    chan struct{} // closed by a Stop: what comes before grpc's call ends
	hurrying sync.Once
	calling  chan struct{} // grpc's call is being made
	returned chan struct{} // grpc's call returned
	over     chan struct{} // the server's: the report is made, the spans are out
	once     sync.Once
	report   *tracer.Report
	forcing  atomic.Bool
	forced   chan struct{}                   // the forced stop is over
	lateHTTP bool                            // before returned is closed: see awaitHTTP
	held     atomic.Pointer[[]tracer.Holder] // what the forced stop cut
}

// begin announces a stop call, on the goroutine of its caller; timed: a Shutdown.
// first is false if there has been one: it is returned, and this one is to join it.
func (s *Server) begin(call tracer.Call, timed bool) (st *stop, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return s.stop, false
	}
	st = &stop{
		graceful: call.Graceful, timed: timed,
		hurry: make(chan struct{}), calling: make(chan struct{}),
		returned: make(chan struct{}), forced: make(chan struct{}), over: s.over,
	}
	call.GRPCVersion, call.EndRecv = grpc.Version, s.ending.recv
	st.trace, _ = s.t.BeginShutdown(call)
	s.stop = st
	return st, true
}

// call makes grpc's call.
func (st *stop) call(f func()) {
	defer close(st.returned)
	defer st.trace.Returned()
	st.trace.Called()
	close(st.calling)
	f()
}

// hasten ends what comes before grpc's call, and waits for that. On a machine that
// is overloaded grpc's Stop may come first: it is the call then.
func (s *Server) hasten(st *stop) {
	st.hurrying.Do(func() { close(st.hurry) })
	if !within(forceWait, st.calling) {
		s.drains()
		st.trace.Called()
	}
}

// finish ends the trace. Each call returns by its own ctx: of several the first
// that does so says what the report is. The application gets it when the stop is
// over for everybody else: it may stop the server again.
func (st *stop) finish(ctx context.Context) {
	first, r := false, st.trace.Finish(ctx)
	st.once.Do(func() {
		first, st.report = true, r
		close(st.over)
	})
	if first {
		st.trace.Deliver(ctx)
	}
}

// abandoned reports whether the stop is over although grpc's call has not
// returned: a handler does not end.
func (st *stop) abandoned() bool {
	select {
	case <-st.returned:
		return false
	default:
		return true
	}
}

// GracefulStop is grpc's: it stops accepting, sends GOAWAY and waits for every
// RPC, for as long as they take. Then it flushes the trace, for at most 2 s. A
// call after another stop waits for that one. See [Server.Shutdown] for one
// that ends by a deadline.
func (s *Server) GracefulStop() {
	if s.t == nil {
		s.grpc.GracefulStop()
		return
	}
	st, first := s.begin(tracer.Call{Graceful: true, Later: s.health != nil}, false)
	if !first {
		defer st.trace.Joined("GracefulStop")()
		<-s.over
		return
	}
	defer st.finish(context.Background())
	s.notServing(context.Background(), st)
	s.drains()
	st.call(func() {
		s.awaitHTTP(st, 0)
		s.gracefulStop(st)
	})
}

// stopFlush is how long a Stop waits for the rest of the Shutdown that it has
// forced.
const stopFlush = 2 * time.Second

// Stop is grpc's: it closes every connection, which cancels their RPCs. Then it
// flushes the trace, for at most 2 s. During a GracefulStop or Shutdown it forces
// that one, as Shutdown does by itself; it does not wait for handlers that ignore
// their context, but the trace names them. The Shutdown then comes to its end, the
// application's flush included; Stop waits for that, for at most 2 s, too.
func (s *Server) Stop() {
	if s.t == nil {
		s.grpc.Stop()
		return
	}
	st, first := s.begin(tracer.Call{Later: s.health != nil}, false)
	if !first {
		defer st.trace.Joined("Stop")()
	}
	switch {
	case first:
		defer st.finish(context.Background())
		s.notServing(context.Background(), st)
		s.drains()
		s.stopHTTP()
		st.call(s.grpc.Stop)
	case st.graceful:
		s.hasten(st)
		s.force(st, stopLimits)
		if st.timed {
			within(stopFlush, s.over)
			return
		}
		st.finish(context.Background())
	default:
		<-s.over
	}
}
