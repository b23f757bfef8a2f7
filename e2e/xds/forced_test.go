// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestShutdown ends a stop by its deadline: of an RPC in the middle of it, and of a
// connection that the control plane is draining.
func TestShutdown(t *testing.T) {
	t.Parallel()
	s := newScene(t, true, setup{})
	s.hold("before", s.dial(), patience)
	s.configure("second", false)
	s.hold("after", s.dial(), patience)
	ctx, cancel := context.WithTimeout(t.Context(), 2*held)
	defer cancel()
	lateness := servertest.Lateness(ctx)
	begin := time.Now()
	var late *server.DeadlineError
	if err := s.srv.(*server.Server).Shutdown(ctx); !errors.As(err, &late) {
		t.Errorf("Shutdown returned %v, want a *server.DeadlineError", err)
	}
	d := time.Since(begin)
	if by := <-lateness; d > 2*held+time.Second+4*by {
		t.Errorf("it took %s, with a deadline of %s; timers were late by %s", d, 2*held, by)
	}
	if err := <-s.served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if got, want := s.outcome(), "after Unavailable\nafter is known by nothing\n"+
		"before Unavailable\nbefore is known by nothing"; got != want {
		t.Errorf("RPCs end thus:\n%s\nwant:\n%s", got, want)
	}
	r := s.report()
	if r.Outcome != tracer.OutcomeForced || r.RPCsCut[hello] != 2 {
		t.Errorf("outcome %s, cut %v, want two RPCs of a forced one", r.Outcome, r.RPCsCut)
	}
}

// TestLameDuck has the control plane take the listener away in the lame duck, and give
// it back: who comes then is served, and no GOAWAY ends the lame duck.
func TestLameDuck(t *testing.T) {
	t.Parallel()
	const duck = 4 * held // in which the control plane is told twice
	s := newScene(t, true, setup{wrap: []grpc.ServerOption{server.LameDuck(duck)}})
	c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
	s.ready(c, err)
	done := make(chan error, 1)
	go func() { done <- s.srv.(*server.Server).Shutdown(t.Context()) }()
	s.plane.set(t, nil)
	s.await(connectivity.ServingModeNotServing)
	s.within(c.Done(), "a connection is drained")
	s.configure("second", false)
	s.await(connectivity.ServingModeServing)
	s.hold("late", s.dial(), 5*held)
	if err := <-done; err != nil {
		t.Errorf("Shutdown returned %v", err)
	}
	if err := <-s.served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if got, want := s.outcome(), "late OK\nlate is known by nothing"; got != want {
		t.Errorf("RPCs end thus:\n%s\nwant:\n%s", got, want)
	}
	r := s.report()
	for _, p := range r.Phases {
		if p.Name == tracer.PhaseLameDuck && time.Duration(p.Duration) < duck {
			t.Errorf("the lame duck took %s, want %s", p.Duration, duck)
		}
	}
	if r.Outcome != tracer.OutcomeGraceful || r.Clients.Arrived != 1 {
		t.Errorf("outcome %s, %d connections arrived, want one of a graceful one", r.Outcome, r.Clients.Arrived)
	}
	says(t, r, hello)
}
