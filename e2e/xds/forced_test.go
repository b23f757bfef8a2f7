// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"errors"
	"testing"
	"time"

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
	begin := time.Now()
	var late *server.DeadlineError
	if err := s.srv.(*server.Server).Shutdown(ctx); !errors.As(err, &late) {
		t.Errorf("Shutdown returned %v, want a *server.DeadlineError", err)
	}
	if d := time.Since(begin); d > 2*held+time.Second {
		t.Errorf("it took %s, with a deadline of %s", d, 2*held)
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
