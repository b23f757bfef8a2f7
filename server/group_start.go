// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/bind"
	"github.com/gracetrace/gracetrace/internal/procnet"
)

// BindRetry has a [Group] wait for an address that is in use, for d at most: the
// predecessor of this process may not have ended yet. It tries again after 50 ms,
// then more and more rarely, every 500 ms in the end; the log says once who has the
// address, and the trace how long it took. Other errors are never tried again. By
// default, zero: Start fails at once.
func BindRetry(d time.Duration) grpc.ServerOption {
	return option{
		apply: func(*Server) error { return errors.New("server: BindRetry is an option of NewGroup") },
		group: func(g *Group) error {
			if d < 0 {
				return fmt.Errorf("server: BindRetry(%s): must not be negative", d)
			}
			g.retry = d
			return nil
		},
	}
}

// Start listens on every address, serves them, and returns when all are served:
// connections are accepted from then on. If it returns an error nothing runs, and
// no listener is open; if something had been served by then the group has been
// stopped as by [Group.Stop]. ctx bounds the start, and afterwards the group stops
// when it is done; it may not end before. A Stop meanwhile ends the start.
func (g *Group) Start(ctx context.Context) error {
	starting, err := g.begin(ctx)
	if err != nil {
		return err
	}
	defer close(g.startOver)
	defer g.abandon(nil)
	ready, err := g.prepare(starting)
	if err != nil {
		g.closeListeners()
		return err
	}
	select {
	case <-ready:
	case <-g.failed:
		return g.Stop(context.WithoutCancel(ctx))
	case <-g.draining:
		return errors.Join(startError(errStopCalled), g.Stop(context.WithoutCancel(ctx)))
	case <-ctx.Done():
		return errors.Join(startError(context.Cause(ctx)), g.Stop(context.WithoutCancel(ctx)))
	}
	g.logServing()
	go g.supervise(ctx)
	return nil
}

var errStopCalled = errors.New("Stop was called")

func startError(err error) error { return fmt.Errorf("server: Group.Start: %w", err) }

// begin marks the group as used. The context that it returns is ctx, and ends with
// a Stop, too, that comes before anything is served.
func (g *Group) begin(ctx context.Context) (starting context.Context, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started {
		return nil, errors.New("server: Group.Start was called before")
	}
	g.started = true
	starting, g.abandon = context.WithCancelCause(ctx)
	return starting, nil
}

// prepare listens and serves, or closes nothing and serves nothing.
func (g *Group) prepare(ctx context.Context) (ready <-chan struct{}, err error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, startError(err)
	}
	if err := g.listen(ctx); err != nil {
		return nil, err
	}
	g.mu.Lock() // a Stop comes before this or after it
	defer g.mu.Unlock()
	if err := context.Cause(ctx); err != nil {
		return nil, startError(err)
	}
	g.running = true
	return g.serve(), nil
}

// listen binds every address, all at the same time. It closes nothing.
func (g *Group) listen(ctx context.Context) error {
	others, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var binding sync.WaitGroup
	attempts := make([]bind.Attempt, len(g.members))
	for i, m := range g.members {
		m.served = m.Listeners
		if m.Addr == "" {
			continue
		}
		binding.Go(func() {
			lis, a := bind.Listen(others, m.Addr, g.retry, func(who procnet.Holder) {
				g.t.Logger().Warn("waiting for an address in use", "member", m.Name,
					"address", m.Addr, "holder", who.String(), "retry_ms", g.retry.Milliseconds())
			})
			if attempts[i] = a; a.Err != nil {
				cancel(errors.New("another address cannot be had")) // no use to wait for this one
				return
			}
			m.bound = lis
			m.served = append([]net.Listener{lis}, m.Listeners...)
		})
	}
	binding.Wait()
	return g.tellBinds(ctx, attempts)
}

// tellBinds says what came of it: in a trace, and as an error.
func (g *Group) tellBinds(ctx context.Context, all []bind.Attempt) error {
	var errs []error
	attempts := all[:0:0]
	for i, m := range g.members {
		a := all[i]
		if a.Address == "" {
			continue
		}
		attempts = append(attempts, a)
		if a.Err != nil {
			errs = append(errs, &memberError{m.Name, a.Err})
		}
	}
	ctx = context.WithoutCancel(ctx)
	if err := errors.Join(errs...); err != nil {
		g.t.Listened(ctx, attempts)
		return err
	}
	g.background.Go(func() { g.t.Listened(ctx, attempts) })
	return nil
}

// closeListeners undoes what was bound or given.
func (g *Group) closeListeners() {
	for _, m := range g.members {
		for _, l := range append([]net.Listener{m.bound}, m.Listeners...) {
			if l != nil {
				_ = l.Close() // nothing was served there
			}
		}
	}
}

// serve serves every listener. ready is closed when all are being accepted from.
// g.mu must be held.
func (g *Group) serve() (ready <-chan struct{}) {
	all := make(chan struct{})
	var left atomic.Int64
	accepts := func(n int) {
		if left.Add(int64(-n)) == 0 {
			close(all)
		}
	}
	left.Store(1) // for ourselves, until all are counted
	for _, m := range g.members {
		s, ok := m.unit.(serverUnit)
		if !ok {
			continue
		}
		left.Add(int64(len(m.served)))
		s.install(len(m.served), accepts)
		for _, lis := range m.served {
			g.serving.Go(func() {
				if err := s.serve(lis, lis == m.bound); err != nil {
					g.fail(m, err)
				}
			})
		}
	}
	accepts(1)
	return all
}

// supervise stops the group when it is time to. It ends with the stop.
func (g *Group) supervise(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-g.failed:
	case <-g.draining:
		return
	}
	_ = g.Stop(context.WithoutCancel(ctx)) // its result is kept for those who ask
}
