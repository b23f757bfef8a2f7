// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/connectivity"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

var theRPC = tracer.Holder{Kind: tracer.HolderRPC, State: "in handler", Method: hello}

// TestPlaneGoneBefore: nobody answers the server any more when it stops.
func TestPlaneGoneBefore(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		s.hold("first", s.dial(), held)
		s.plane.stop()
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
}

func TestPlaneGoneDuring(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
		s.ready(c, err)
		s.hold("first", s.dial(), held)
		wait := s.stop()
		s.within(c.GoAway(), "a client is told to go")
		s.plane.stop()
		wait()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
}

// TestModeSwitch: the control plane takes the listener away and gives it back. The
// server drains connections for that, and closes those that come meanwhile.
func TestModeSwitch(t *testing.T) {
	t.Parallel()
	var called time.Time
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
		s.ready(c, err)
		s.plane.set(t, nil)
		s.await(connectivity.ServingModeNotServing)
		s.within(c.GoAway(), "a connection is drained")
		s.within(c.Done(), "a connection without an RPC ends")
		refused, err := servertest.Silent(t.Context(), s.dialer())
		s.ready(refused, err)
		s.within(refused.Done(), "a connection is refused")
		s.configure("second", false)
		s.await(connectivity.ServingModeServing)
		s.hold("after", s.dial(), held)
		if s.traced {
			called = time.Now()
		}
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
	notBefore(t, r, called)
}

// TestModeSwitchDuringStop: what the control plane takes away is drained already.
func TestModeSwitchDuringStop(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
		s.ready(c, err)
		s.hold("first", s.dial(), held)
		wait := s.stop()
		s.within(c.GoAway(), "a client is told to go")
		s.plane.set(t, nil)
		wait()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
}

// TestNotServing stops a server that the control plane has taken its listener from,
// with an RPC that it has begun before.
func TestNotServing(t *testing.T) {
	t.Parallel()
	var called time.Time
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
		s.ready(c, err)
		s.hold("first", s.dial(), 5*held)
		s.plane.set(t, nil)
		s.await(connectivity.ServingModeNotServing)
		s.told()
		s.within(c.Done(), "a connection without an RPC is drained")
		if s.traced {
			called = time.Now()
		}
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
	notBefore(t, r, called)
	isDraining(t, r)
	says(t, r, "control plane")
}

// TestUpdate has the control plane change the listener, for which the server drains
// the connections it has: an RPC goes on in one, and in another that came later.
func TestUpdate(t *testing.T) {
	t.Parallel()
	var called time.Time
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
		s.ready(c, err)
		s.hold("before", s.dial(), 5*held)
		s.configure("second", false)
		s.told()
		s.within(c.Done(), "a connection without an RPC is drained")
		s.hold("after", s.dial(), held/2)
		if s.traced {
			called = time.Now()
		}
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
	notBefore(t, r, called)
	isDraining(t, r)
}

// TestUpdateDuringStop: the server has left the control plane by then.
func TestUpdateDuringStop(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Connect(t.Context(), s.dialer(), servertest.Obedient())
		s.ready(c, err)
		s.hold("first", s.dial(), held)
		wait := s.stop()
		s.within(c.GoAway(), "a client is told to go")
		s.configure("second", false)
		wait()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
}

// TestNoRoute: RPCs that the control plane has no route for end as without us.
func TestNoRoute(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		c := s.dial()
		s.hold("first", c, 2*held)
		s.plane.set(t, listeners(listenerOf(t, s.addr, "first", false)), routes("/nowhere"))
		s.refused(c)
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, theRPC)
}

// notBefore wants no shutdown but the one that was called for.
func notBefore(t *testing.T, r *tracer.Report, called time.Time) {
	t.Helper()
	if r.Start.Before(called) {
		t.Errorf("it began %s before GracefulStop was called", called.Sub(r.Start))
	}
}

// isDraining wants a connection that had been told before the call.
func isDraining(t *testing.T, r *tracer.Report) {
	t.Helper()
	for _, p := range r.Phases {
		for _, b := range p.Bars {
			if b.Kind == tracer.HolderConnection && b.State == "already draining" {
				return
			}
		}
	}
	t.Error("no connection is shown as already draining")
}
