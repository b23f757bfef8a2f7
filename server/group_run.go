// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"time"
)

// Run starts the group, waits until it begins to stop, by SIGTERM or SIGINT, or
// because ctx is done or a member failed, and returns what [Group.Stop] returns, or
// Start's error. A signal that comes before everything is served is no error.
//
// A second signal ends the process as [Server.Run]'s does: what holds is reported
// and flushed, for at most 2 s, and the exit code is 128 and the signal's number.
func (g *Group) Run(ctx context.Context) error {
	first, release := hear(ctx, func(sig os.Signal) {
		g.abort(sig)
		os.Exit(exitCode(sig)) //nolint:forbidigo // the second signal asks for it
	})
	defer release()
	if err := g.Start(first); err != nil {
		if errors.Is(err, errStopCalled) || first.Err() != nil && errors.Is(err, context.Cause(first)) {
			return g.Stop(context.WithoutCancel(ctx))
		}
		return err
	}
	<-g.draining
	return g.Stop(context.WithoutCancel(ctx))
}

// abort gets the evidence of every member out before a second signal ends the
// process.
func (g *Group) abort(sig os.Signal) {
	aborting(g.t.Logger(), sig, func(ctx context.Context) {
		g.mu.Lock()
		trace, turns := g.trace, slices.Clone(g.turns)
		g.mu.Unlock()
		if trace == nil {
			return // see interrupt
		}
		var servers sync.WaitGroup
		for _, m := range g.members {
			if s := m.grpc(); s != nil {
				servers.Go(func() { s.interrupt(ctx, sig) })
			}
		}
		servers.Wait()
		for _, t := range turns {
			t.end(errInterrupted, true)
		}
		trace.Finish(ctx)
	})
}

var errInterrupted = errors.New("the process exited on a second signal")

// grpc is the grpc server of a member, nil if it has none that is known.
func (m *member) grpc() *Server {
	if m.HTTP != nil {
		s, _ := any(m.HTTP.Handler).(*Server)
		return s
	}
	return m.Server
}

// logServing says where each member listens, and what its stop may take.
func (g *Group) logServing() {
	log := g.t.Logger()
	for _, m := range g.members {
		budget := share(g.grace-groupEnd(g.grace), m.later)
		switch {
		case m.Server != nil:
			p := m.Server.plan(m.Server.within(budget))
			p.leaveFlush()
			m.Server.logServing(m.served, p, "member", m.Name)
		case m.HTTP != nil:
			keys := []any{"member", m.Name, "addresses", addresses(m.served), "pid", os.Getpid(),
				"signals", signalNames, "grace_period_ms", budget.Milliseconds()}
			log.Info("serving", append(keys, wayOut(g.t)...)...)
		}
	}
	warnOf(log, shellIsFirst("/proc"))
}

// within is a budget, or the server's own grace period if that is shorter.
func (s *Server) within(budget time.Duration) time.Duration {
	if s.ownGrace {
		return min(budget, s.grace)
	}
	return budget
}
