// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

const hello = "greeter.v1.Greeter/SayHello"

// held is how long an RPC holds a stop: much longer than a busy machine takes for the rest.
const held = time.Second

func TestIdle(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		s.call("first", s.dial(), 0)
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, tracer.Holder{})
}

func TestRPCHolds(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		s.hold("first", s.dial(), held)
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, tracer.Holder{
		Kind: tracer.HolderRPC, State: "in handler", Method: hello,
	})
}

func TestConnectionHolds(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{}, func(s *scene) {
		c, err := servertest.Linger(t.Context(), s.dialer())
		s.ready(c, err)
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, tracer.Holder{Kind: tracer.HolderConnection, State: "linger"})
}

func TestHandshakeHolds(t *testing.T) {
	t.Parallel()
	with := setup{opts: []grpc.ServerOption{grpc.ConnectionTimeout(time.Second)}}
	r := compare(t, with, func(s *scene) {
		s.call("first", s.dial(), 0)
		c, err := servertest.Silent(t.Context(), s.dialer())
		s.ready(c, err)
		s.call("second", s.dial(), 0) // the silent one has been accepted before
		s.stop()()
	})
	want(t, r, tracer.PhaseHandshakeWait, tracer.Holder{Kind: tracer.HolderHandshake, State: "tcp"})
}

// want wants a whole timeline of a graceful stop, and the culprit of a phase.
func want(t *testing.T, r *tracer.Report, phase tracer.Phase, culprit tracer.Holder) {
	t.Helper()
	if r.Outcome != tracer.OutcomeGraceful || r.Call != "GracefulStop" {
		t.Errorf("outcome %s of %q, want a graceful one of GracefulStop", r.Outcome, r.Call)
	}
	var names []string
	for _, p := range r.Phases {
		names = append(names, string(p.Name))
		if p.Name == phase {
			checkCulprit(t, p, culprit)
		}
	}
	const all = "quit, listener close, handshake wait, GOAWAY, conn wait, handler wait"
	if got := strings.Join(names, ", "); got != all {
		t.Errorf("phases %s, want %s", got, all)
	}
	for _, n := range r.Notes {
		if n.Kind == "missing evidence" {
			t.Errorf("evidence is missing: %s", n.Text)
		}
	}
}

// busy is how long a machine that does other things may take for what takes no time. A
// linger takes longer.
const busy = 800 * time.Millisecond

func checkCulprit(t *testing.T, p tracer.PhaseReport, want tracer.Holder) {
	t.Helper()
	got := p.Culprit
	switch {
	case got == nil && want.Kind == "":
	case got == nil:
		t.Errorf("nobody held %s, want %s", p.Name, want.Kind)
	case want.Kind == "":
		if d := time.Duration(got.Held); d > busy {
			t.Errorf("%s %s %s held %s for %s, want nobody", got.Kind, got.Method, got.State, p.Name, d)
		}
	case got.Kind != want.Kind || got.State != want.State || got.Method != want.Method:
		t.Errorf("%s %s %s held %s, want %s %s %s", got.Kind, got.Method, got.State, p.Name,
			want.Kind, want.Method, want.State)
	}
}
