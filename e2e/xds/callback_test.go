// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/woven"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestModeCallback: as long as the callback runs, package xds holds a lock that its
// listener's Close needs, after ours has returned. Only grpc's own source tells. In
// grpc-go 1.72 it is the end of its client that waits, after grpc's stop.
func TestModeCallback(t *testing.T) {
	t.Parallel()
	with := setup{mode: func(m connectivity.ServingMode) {
		if m == connectivity.ServingModeNotServing {
			<-time.After(held)
		}
	}}
	r := compare(t, with, func(s *scene) {
		s.plane.set(t, nil)
		s.await(connectivity.ServingModeNotServing)
		s.stop()()
	})
	where := tracer.PhaseHandlerWait
	if len(woven.Points()) > 0 && !strings.HasPrefix(r.GRPC, "1.72.") {
		where = tracer.PhaseListenerClose
	}
	want(t, r, where, tracer.Holder{})
	says(t, r, string(where)+" took")
	says(t, r, "not seen")
}

// TestShutdownInCallback: nobody but the callback itself could let go of that lock.
func TestShutdownInCallback(t *testing.T) {
	t.Parallel()
	var s *scene
	done, called := make(chan error, 1), make(chan time.Time, 1)
	s = newScene(t, true, setup{mode: func(m connectivity.ServingMode) {
		if m == connectivity.ServingModeNotServing {
			ctx, cancel := context.WithTimeout(context.Background(), held)
			defer cancel()
			called <- time.Now()
			done <- s.srv.(*server.Server).Shutdown(ctx)
		}
	}})
	s.hold("first", s.dial(), patience)
	meanwhile, cancel := context.WithCancel(t.Context())
	defer cancel()
	lateness := servertest.Lateness(meanwhile)
	s.plane.set(t, nil)
	var late *server.DeadlineError
	if err := <-done; !errors.As(err, &late) {
		t.Errorf("Shutdown returned %v, want a *server.DeadlineError", err)
	}
	d := time.Since(<-called)
	cancel()
	if by := <-lateness; d > held+time.Second+4*by {
		t.Errorf("it took %s, with a deadline of %s; timers were late by %s", d, held, by)
	}
	if err := <-s.served; err != nil {
		t.Errorf("Serve returned %v", err)
	}
	if got, want := s.outcome(), "first Unavailable\nfirst is known by nothing"; got != want {
		t.Errorf("RPCs end thus:\n%s\nwant:\n%s", got, want)
	}
}
