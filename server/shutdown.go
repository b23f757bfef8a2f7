// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// DeadlineError is what Shutdown and Run return when the grace period was not
// enough and what was left had to be cut.
type DeadlineError struct {
	// Holders are what still held when the forced stop began.
	Holders []tracer.Holder
	// Report is the whole shutdown. It is never nil.
	Report *tracer.Report
	cause  error
}

// Error implements error.
func (e *DeadlineError) Error() string {
	return fmt.Sprintf("shutdown forced after %s: %s", e.Report.Duration, e.Report.Verdict)
}

// Unwrap returns context.DeadlineExceeded, or context.Canceled when the context
// given to Shutdown was cancelled. It is neither when somebody called Stop, or
// grpc cut what had come through its own ServeHTTP.
func (e *DeadlineError) Unwrap() error { return e.cause }

// Shutdown stops gracefully, and by force what has not ended when the earlier
// of ctx's deadline and the grace period comes near: health checks are told, the
// lame duck is waited for, grpc's GracefulStop is given its time. A fifth of the
// budget, at most 2 s, is kept for the forced stop, the handlers that it cuts, and
// the flush, and as much for [WithFlush]. It returns nil if every RPC ended by
// itself, and a *DeadlineError otherwise, also when it was somebody else's Stop
// that cut them.
//
// A call after another Shutdown waits for that one, or for ctx. One after a
// GracefulStop or a Stop, which have no deadline, ends it by its own, as it would
// end what it has begun itself.
//
// Connections that have not finished their handshake after a quarter of the
// drain, at most 5 s, are closed: until then grpc tells no client to go. That
// makes no stop a forced one.
//
// The forced stop calls grpc's Stop and waits for nothing that the application
// can keep from ending: not for a listener's Accept or Close, not for credentials,
// a tap handle, a stats handler or a handler. If Stop takes longer than 100 ms,
// every connection is closed under it. What has not ended by then is left behind,
// and named.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.broken != nil {
		return s.broken
	}
	ctx, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	return s.shutdown(ctx, nil)
}

// shutdown is Shutdown within ctx, which has a deadline. m is set in a group.
func (s *Server) shutdown(ctx context.Context, m *tracer.Member) error {
	deadline, _ := ctx.Deadline()
	p := s.plan(time.Until(deadline))
	if m != nil {
		p.leaveFlush()
	}
	st, first := s.begin(tracer.Call{
		Graceful: true, Budget: p.budget, Later: s.health != nil || p.lameDuck > 0, Member: m,
	}, true)
	if !first {
		defer st.trace.Joined("Shutdown")()
		return s.join(ctx, st, deadline, p)
	}
	s.notServing(ctx, st)
	s.lameDuck(ctx, st, p.lameDuck)
	s.drains()
	p.expect(s.t.Table().Outline(0).RPCs)
	go st.call(func() {
		s.awaitHTTP(st, p.drain/2)
		defer s.limitHandshakes(p.handshakes())()
		s.gracefulStop(st)
	})
	cause := st.wait(ctx, deadline.Add(-p.end()))
	if cause != nil {
		s.force(st, p.limits())
	}
	return s.conclude(ctx, st, deadline, p, cause)
}

// join is a Shutdown after another stop. One that has no deadline gets this one's.
func (s *Server) join(ctx context.Context, st *stop, deadline time.Time, p plan) error {
	if st.timed {
		select {
		case <-st.over:
			return st.result(nil)
		case <-ctx.Done():
			return fmt.Errorf("server: waiting for an earlier stop: %w", ctx.Err())
		}
	}
	defer s.limitHandshakes(p.handshakes())()
	cause := st.wait(ctx, deadline.Add(-p.end()))
	if cause != nil {
		s.hasten(st)
		s.force(st, p.limits())
	}
	if !st.abandoned() { // it makes its own report, before the application's flush
		within(time.Until(deadline.Add(-p.appFlush)), st.over)
	}
	return s.conclude(ctx, st, deadline, p, cause)
}

// conclude is what comes after grpc's stop.
func (s *Server) conclude(
	ctx context.Context, st *stop, deadline time.Time, p plan, cause error,
) error {
	s.flushApp(ctx, st.trace, deadline, p)
	flushCtx, cancel := flushContext(ctx, deadline)
	defer cancel()
	st.finish(flushCtx)
	return st.result(cause)
}

// idleWait is what grpc's call may take of a server that is idle. Even a context
// that was done before is no reason to call that a forced stop.
const idleWait = 10 * time.Millisecond

// wait waits for grpc's call, until a deadline, and says why it did not wait for
// its end. Where a Stop has forced that, there is nothing left to wait for.
func (st *stop) wait(ctx context.Context, deadline time.Time) error {
	if within(idleWait, st.returned) {
		return nil
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-st.returned:
		return nil
	case <-st.forced:
		return nil
	case <-timer.C:
		return context.DeadlineExceeded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errStopped is why a shutdown was forced that had time left.
var errStopped = errors.New("server: Stop was called")

// result is what Shutdown returns when the stop is over: an error if its own
// time was up, or if somebody's Stop cut RPCs or left what runs behind.
func (st *stop) result(cause error) error {
	if st.report.Outcome != tracer.OutcomeForced ||
		cause == nil && len(st.report.RPCsCut) == 0 && !st.abandoned() {
		return nil
	}
	if cause == nil {
		cause = st.cutBy()
	}
	err := &DeadlineError{Report: st.report, cause: cause}
	if held := st.held.Load(); held != nil {
		err.Holders = *held
	}
	return err
}

// cutBy is why RPCs were cut although Shutdown had time left.
func (st *stop) cutBy() error {
	forced := slices.ContainsFunc(st.report.Phases, func(p tracer.PhaseReport) bool {
		return p.Name == tracer.PhaseForcedStop
	})
	switch {
	case !st.graceful, forced, st.abandoned():
		return errStopped
	case st.lateHTTP:
		return context.DeadlineExceeded
	}
	return errServeHTTP
}

// flushContext lasts until the deadline, even if the caller has cancelled: the
// evidence still has to get out.
func flushContext(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}
