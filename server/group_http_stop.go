// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// httpReserve is what is kept of an HTTP server's budget for its handlers to end
// once their connections were closed.
const httpReserve = 100 * time.Millisecond

// stop lets requests end. Those that do not in time are cut, by closing their
// connections, which cancels their contexts.
func (u *httpUnit) stop(ctx context.Context, t *turn) error {
	var first error
	if s, ok := any(u.srv.Handler).(*Server); ok {
		first = s.shutdownIn(ctx, t)
		t.next(first, wasForced(ctx, first))
	}
	bar := t.begin("http")
	before := u.conns.watch()
	err := u.drain(ctx, bar)
	var forced *httpForcedError
	cut := 0
	if errors.As(err, &forced) {
		cut = len(forced.cut)
	}
	bar.Connections(before.idle, before.active, cut, u.conns.count().hijacked)
	return errors.Join(first, err)
}

// drain stops it, by force where there is no time left.
func (u *httpUnit) drain(ctx context.Context, bar *tracer.Member) error {
	deadline, _ := ctx.Deadline() // the group's contexts have one
	reserve := min(max(time.Until(deadline), 0)/reserveDivisor, httpReserve)
	grace, cancel := context.WithDeadline(ctx, deadline.Add(-reserve))
	defer cancel()
	waited := bar.Phase(tracer.PhaseConnWait, u.conns.held)
	returned, err := u.shutdown(grace, reserve/2)
	waited()
	if grace.Err() == nil { // nil, or of a listener that cannot be closed
		return err
	}
	defer bar.Phase(tracer.PhaseForcedStop, nil)()
	cut := u.conns.busy()
	if returned {
		_ = u.srv.Close() // of the listeners, which are closed
	} else {
		u.conns.close() // which http.Server's Close would not come to
	}
	if len(cut) == 0 && returned { // connections on which nobody ever asked for anything
		return nil
	}
	end, cancelEnd := context.WithTimeout(context.WithoutCancel(ctx), reserve)
	defer cancelEnd()
	u.conns.awaitIdle(end)
	return &httpForcedError{cut, len(u.conns.busy()), !returned, context.Cause(grace)}
}

// shutdown is http.Server's, but it waits for Accept to return, whatever its context
// says: it is given slack. And it looks only twice a second whether the last
// connection has gone, of which we hear.
func (u *httpUnit) shutdown(ctx context.Context, slack time.Duration) (returned bool, err error) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	done := make(chan error, 1)
	go func() { done <- u.srv.Shutdown(ctx) }() // waited for, unless a listener hangs
	served := u.served
	for ctx.Err() == nil {
		select {
		case err = <-done:
			return true, err
		case <-ctx.Done():
		case <-u.conns.closed:
		case <-served:
			served = nil
		}
		if served == nil && u.conns.allGone() {
			u.mu.Lock()
			defer u.mu.Unlock()
			return true, u.closeErr
		}
	}
	timer := time.NewTimer(slack)
	defer timer.Stop()
	select {
	case err = <-done:
		return true, err
	case <-timer.C:
		return false, ctx.Err()
	}
}

// httpForcedError is what is wrong with a stop that was forced.
type httpForcedError struct {
	cut   []busyConn
	left  int  // handlers that still run
	hangs bool // Shutdown has not returned
	cause error
}

// Error implements error.
func (e *httpForcedError) Error() string {
	var b strings.Builder
	b.WriteString("shutdown forced")
	if e.hangs {
		b.WriteString(", a listener's Accept or Close does not return")
	}
	if n := len(e.cut); n > 0 {
		fmt.Fprintf(&b, ", requests cut on %d of its connections, the longest%s after %s", n,
			e.cut[0].from, e.cut[0].lasts.Round(time.Millisecond))
	}
	if e.left > 0 {
		fmt.Fprintf(&b, ", handlers still run on %d", e.left)
	}
	return b.String() + ": " + e.cause.Error()
}

// Unwrap returns context.DeadlineExceeded or context.Canceled.
func (e *httpForcedError) Unwrap() error { return e.cause }
