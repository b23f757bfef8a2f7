// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
)

const sec = time.Second

// planned is the plan of a server that serves nothing.
func planned(t *testing.T, budget time.Duration, opts ...grpc.ServerOption) plan {
	t.Helper()
	s := newServer(nil)
	s.configure(opts)
	return s.plan(budget)
}

func TestPlan(t *testing.T) {
	flush := WithFlush("traces", func(context.Context) error { return nil })
	for _, test := range []struct {
		budget time.Duration
		opts   []grpc.ServerOption
		want   plan
	}{
		{25 * sec, nil, plan{drain: 23 * sec, forced: sec, flush: sec}},
		{25 * sec, []grpc.ServerOption{LameDuck(5 * sec), flush},
			plan{lameDuck: 5 * sec, drain: 16 * sec, forced: sec, appFlush: 2 * sec, flush: sec}},
		{10 * sec, []grpc.ServerOption{LameDuck(5 * sec)},
			plan{lameDuck: 4 * sec, drain: 4 * sec, forced: sec, flush: sec}},
		{sec, []grpc.ServerOption{flush},
			plan{drain: sec * 6 / 10, forced: sec / 10, appFlush: sec / 5, flush: sec / 10}},
		{-sec, []grpc.ServerOption{LameDuck(5 * sec), flush}, plan{}},
	} {
		test.want.budget = max(test.budget, 0)
		if got := planned(t, test.budget, test.opts...); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.budget, got, test.want)
		}
	}
}

// TestPlanIsWhole: the parts of every budget are the budget, and none is negative.
func TestPlanIsWhole(t *testing.T) {
	for range 10_000 {
		budget := time.Duration(rand.Int64N(int64(time.Minute)))
		s := newServer(nil)
		s.duck = time.Duration(rand.Int64N(int64(time.Minute)))
		if rand.IntN(2) == 0 {
			s.flushes = []flush{{}}
		}
		p := s.plan(budget)
		least := min(p.lameDuck, p.drain, p.forced, p.appFlush, p.flush)
		if sum := p.lameDuck + p.drain + p.end(); sum != budget || least < 0 {
			t.Fatalf("%s is %s: %+v", budget, sum, p)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		budget, duck time.Duration
		want         string
	}{
		{25 * sec, 5 * sec, ""},
		{10 * sec, 8 * sec, "a lame duck of 8s does not fit into a grace period of 10s: it is cut to 4s"},
		{sec, 0, "of a grace period of 1s only 800ms are left for RPCs to end"},
	} {
		p := planned(t, test.budget, LameDuck(test.duck))
		if got := strings.Join(p.problems(test.duck), "\n"); got != test.want {
			t.Errorf("%s of %s: %q, want %q", test.duck, test.budget, got, test.want)
		}
	}
}

// TestShellIsFirst: in a container a shell as pid 1 keeps the SIGTERM to itself.
func TestShellIsFirst(t *testing.T) {
	for comm, want := range map[string]bool{
		"sh\n": true, "bash\n": true, "tini\n": false, "systemd\n": false, "": false,
	} {
		proc := t.TempDir()
		if err := os.Mkdir(filepath.Join(proc, "1"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, "1", "comm"), []byte(comm), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := shellIsFirst(proc); len(got) > 0 != want {
			t.Errorf("%q: %v, want a warning: %v", comm, got, want)
		}
	}
	if got := shellIsFirst(t.TempDir()); got != nil {
		t.Errorf("without /proc: %v", got)
	}
}

// TestCrowdGetsTimeToBeCut: the more RPCs are in flight, the earlier the drain ends,
// but it keeps half of its time at least.
func TestCrowdGetsTimeToBeCut(t *testing.T) {
	for _, test := range []struct {
		budget time.Duration
		rpcs   int
		more   time.Duration
	}{
		{25 * time.Second, 1000, 0},
		{25 * time.Second, 10_000, 250 * time.Millisecond},
		{25 * time.Second, 100_000, 2500 * time.Millisecond},
		{25 * time.Second, 1_000_000, 5 * time.Second},
		{time.Second, 1_000_000, 200 * time.Millisecond},
	} {
		p := (&Server{}).plan(test.budget)
		got := p
		got.expect(test.rpcs)
		if more := got.forced - p.forced; more != test.more || p.drain-got.drain != more {
			t.Errorf("%s and %d RPCs: the forced stop gets %s more and the drain %s less, want %s",
				test.budget, test.rpcs, more, p.drain-got.drain, test.more)
		}
	}
}
