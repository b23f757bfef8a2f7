// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// memberSlack is how long after its budget a member is left behind that has not
	// ended with its context.
	memberSlack = 100 * time.Millisecond
	// deafSlack is how long a Close is waited for that does not end although the
	// group's stop was cancelled.
	deafSlack = 2 * time.Second
	// maxGroupEnd and groupEndDivisor bound what is kept for the group's own end.
	maxGroupEnd     = time.Second
	groupEndDivisor = 10
)

// Stop stops every member, in the order of their After, and waits for them: until
// the grace period is over, or ctx's deadline, and 200 ms more. When ctx is
// cancelled every member is forced at once, and a Close that does not listen is
// left behind 2 s later. It returns what the members returned,
// each as "member NAME: …": the one first that failed and made the group stop. A
// forced grpc server's is a [*DeadlineError]; that of any other which was not ready
// in time is context.DeadlineExceeded to errors.Is.
//
// A call after the group has begun to stop waits for that, or for ctx. One that
// comes while Start has served nothing yet makes it return an error, and waits for
// that. One before Start, or after a Start that served nothing, does nothing.
func (g *Group) Stop(ctx context.Context) error {
	if err := g.abandonStart(ctx); err != nil {
		return err
	}
	first, running := g.beginStop()
	if !running {
		return nil
	}
	if first {
		g.stop(ctx)
	}
	select {
	case <-g.over:
		return g.result()
	case <-ctx.Done():
	}
	select {
	case <-g.over:
		return g.result()
	default:
		return fmt.Errorf("server: waiting for an earlier stop: %w", context.Cause(ctx))
	}
}

// abandonStart ends a Start that has served nothing yet.
func (g *Group) abandonStart(ctx context.Context) error {
	g.mu.Lock()
	starting := g.started && !g.running
	if starting {
		g.abandon(errStopCalled)
	}
	g.mu.Unlock()
	if !starting {
		return nil
	}
	select {
	case <-g.startOver:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("server: waiting for Start to end: %w", context.Cause(ctx))
	}
}

func (g *Group) beginStop() (first, running bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.running || g.stopping {
		return false, g.running
	}
	g.stopping = true
	close(g.draining)
	return true, true
}

func (g *Group) result() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return errors.Join(g.failure, g.err)
}

// stop is the sequence. Only one call of it is made.
func (g *Group) stop(ctx context.Context) {
	defer close(g.over)
	ctx, cancel := context.WithTimeout(ctx, g.grace)
	defer cancel()
	deadline, _ := ctx.Deadline()
	g.beginTrace(time.Until(deadline))
	end := groupEnd(time.Until(deadline))

	var stopping sync.WaitGroup
	for _, m := range g.members {
		stopping.Go(func() {
			defer close(m.stopped)
			for _, before := range m.after {
				<-before.stopped
			}
			g.stopMember(ctx, m, deadline, end)
		})
	}
	stopping.Wait()

	var errs []error
	for _, m := range g.members {
		if m.err != nil {
			errs = append(errs, &memberError{m.Name, m.err})
		}
	}
	ended := make(chan struct{})
	go func() { // waited for below, unless a listener or an exporter hangs
		defer close(ended)
		g.serving.Wait()
		g.background.Wait()
	}()
	within(min(max(time.Until(deadline), 0), memberSlack), ended)
	g.mu.Lock()
	g.err = errors.Join(errs...)
	g.mu.Unlock()
	flushCtx, cancelFlush := flushContext(ctx, deadline)
	defer cancelFlush()
	g.trace.Finish(flushCtx)
	g.trace.Deliver(flushCtx)
}

// beginTrace begins the trace, which says who made the group stop.
func (g *Group) beginTrace(budget time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trace = g.t.BeginGroup(budget)
	if g.failure != nil {
		g.trace.Because(g.failure.Error())
	}
}

// groupEnd is what is kept of a budget for the group's own end.
func groupEnd(budget time.Duration) time.Duration {
	return min(max(budget, 0)/groupEndDivisor, maxGroupEnd)
}

// share is the part of what is left of the budget that a member may use whom so
// many stages come after: a fifth of it, at most 2 s, is kept for each of them.
func share(left time.Duration, later int) time.Duration {
	for range later {
		left -= min(left/reserveDivisor, maxReserve)
	}
	return max(left, 0)
}

// stopMember stops a member within its share. One that does not end is left behind.
func (g *Group) stopMember(ctx context.Context, m *member, deadline time.Time, end time.Duration) {
	left := max(time.Until(deadline), 0)
	budget := share(left-min(end, left), m.later)
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	t := g.turn(m, left)
	returned := make(chan error, 1)
	go func() { // waited for below, unless the application's code hangs
		err := errors.New("it has called runtime.Goexit")
		defer func() { returned <- err }()
		err = m.unit.stop(ctx, t)
	}()
	patience := budget + min(memberSlack, max(time.Until(deadline)+memberSlack, 0))
	timer := time.NewTimer(patience)
	defer timer.Stop()
	if _, closes := m.unit.(*closeUnit); closes { // a server's stop ends by itself: it cuts and flushes
		end := time.Now().Add(patience)
		defer context.AfterFunc(ctx, func() {
			if errors.Is(ctx.Err(), context.Canceled) {
				timer.Reset(min(deafSlack, time.Until(end)))
			}
		})()
	}
	select {
	case m.err = <-returned:
	case <-timer.C:
		m.err = fmt.Errorf("%w: %w", errLeftBehind, context.Cause(ctx))
	}
	t.end(m.err, wasForced(ctx, m.err))
}
