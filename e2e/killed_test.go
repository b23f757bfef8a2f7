// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestKilled runs every scenario that holds long enough in a process that is
// killed while it does.
func TestKilled(t *testing.T) {
	j := jaegerd.Start(t)
	p := program.Build(t).To("http://" + j.OTLP)
	for _, test := range []struct{ scenario, span, phase string }{
		{"unary", "rpc Greeter/SayHello", "conn wait"},
		{"recv", "rpc Greeter/Chat", "conn wait"},
		{"send", "rpc Greeter/Watch", "conn wait"},
		{"orphan", "handler Greeter/SayHello", "handler wait"},
		{"silent", "handshake", "handshake wait"},
		{"mute", "connection", "conn wait"},
		{"all", "handshake", "handshake wait"},
	} {
		t.Run(test.scenario, func(t *testing.T) {
			t.Parallel()
			service := "killed-" + test.scenario
			run := p.As(service).Start(t, "demo", "--scenario", test.scenario)
			find := shutdownOf(j, service, check.Started)
			jaegerd.Await(t, "a checkpoint that names "+test.span, find, func(tree *timeline.Tree) bool {
				return len(open(tree, test.span)) > 0
			})
			run.Signal(t, syscall.SIGKILL)
			run.Wait(t)
			wantKilled(t, j, p, find, test.phase, test.span)
		})
	}
}

// wantKilled holds the trace of a process that was killed to what can be held to.
func wantKilled(t *testing.T, j *jaegerd.Server, p program.Program,
	find func(context.Context) (*timeline.Tree, error), phase, holder string,
) {
	t.Helper()
	tree, err := find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check.Tell(t, tree, check.Killed(tree, holder))
	peer := check.Peer(open(tree, holder)[0])
	for path, r := range readBack(t, j, p, tree.ID) {
		if r.Outcome != tracer.OutcomeKilled || !strings.HasPrefix(r.Verdict, "killed in "+phase+" ") ||
			!strings.Contains(r.Verdict, " so far: ") || !strings.Contains(r.Verdict, " from "+peer) {
			t.Errorf("report of %s: %s: %s", path, r.Outcome, r.Verdict)
		}
	}
}

// open are the spans of a holder below checkpoints.
func open(tree *timeline.Tree, name string) (all []*timeline.Node) {
	for _, n := range tree.Find(name) {
		if n.Up != nil && strings.HasPrefix(n.Up.Name, "checkpoint ") {
			all = append(all, n)
		}
	}
	return all
}

// shutdownOf finds the one shutdown of a service by the name of a span in it.
func shutdownOf(j *jaegerd.Server, service, span string) func(context.Context) (*timeline.Tree, error) {
	return func(ctx context.Context) (*timeline.Tree, error) {
		trees, err := j.FindTrees(ctx, jaegerd.Search{
			Service: service, Operation: span, Since: time.Hour, Limit: 10,
		})
		if err != nil || len(trees) != 1 {
			return nil, err
		}
		return trees[0], nil
	}
}
