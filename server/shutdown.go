// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// Bounds of what is kept of a budget for the forced stop and the flush.
const (
	maxReserve     = 2 * time.Second
	reserveDivisor = 5
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
// given to Shutdown was cancelled. It is neither when somebody called Stop.
func (e *DeadlineError) Unwrap() error { return e.cause }

// Shutdown stops gracefully, and by force what has not ended when the earlier
// of ctx's deadline and the grace period comes near: a fifth of the budget, at
// most 2 s, is kept for the forced stop, the handlers that it cuts, and the
// flush. It returns nil if every RPC ended by itself, and a *DeadlineError
// otherwise, also when it was somebody else's Stop that cut them. A call after
// another stop waits for that one, or for ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.broken != nil {
		return s.broken
	}
	ctx, cancel := context.WithTimeout(ctx, s.grace)
	defer cancel()
	deadline, _ := ctx.Deadline()
	budget := time.Until(deadline)
	st, first := s.begin(true, max(budget, 0))
	if !first {
		defer st.trace.Joined("Shutdown")()
		return st.join(ctx)
	}
	go st.call(s.grpc.GracefulStop)
	reserve := min(budget/reserveDivisor, maxReserve)
	timer := time.NewTimer(budget - reserve)
	defer timer.Stop()
	var cause error
	select {
	case <-st.returned:
	case <-timer.C:
		cause = context.DeadlineExceeded
	case <-ctx.Done():
		cause = ctx.Err()
	}
	if cause != nil {
		s.force(st, min(forceWait, reserve/4), reserve/2)
	}
	flushCtx, cancelFlush := flushContext(ctx, deadline)
	defer cancelFlush()
	st.finish(flushCtx)
	return st.result(cause)
}

// errStopped is why a shutdown was forced that had time left.
var errStopped = errors.New("server: Stop was called")

// result is what Shutdown returns when the stop is over: an error if its own
// time was up, or if somebody's Stop cut RPCs.
func (st *stop) result(cause error) error {
	if st.report.Outcome != tracer.OutcomeForced || cause == nil && len(st.report.RPCsCut) == 0 {
		return nil
	}
	if cause == nil {
		cause = errStopped
	}
	return &DeadlineError{Holders: st.holders, Report: st.report, cause: cause}
}

// flushContext lasts until the deadline, even if the caller has cancelled: the
// evidence still has to get out.
func flushContext(ctx context.Context, deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.WithoutCancel(ctx), deadline)
}

func (st *stop) join(ctx context.Context) error {
	select {
	case <-st.over:
		return st.result(nil)
	case <-ctx.Done():
		return fmt.Errorf("server: waiting for an earlier stop: %w", ctx.Err())
	}
}
