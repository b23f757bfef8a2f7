// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// onDisk is a Jaeger that keeps its traces over a restart.
func onDisk(t *testing.T) *jaegerd.Server {
	t.Helper()
	return jaegerd.Config{
		Files: []string{"jaeger/badger.yaml"}, Env: []string{"JAEGER_DATA=" + t.TempDir()},
	}.Start(t)
}

// TestRestart: what Jaeger has taken is there after it was restarted, and what is
// checked of it is the same.
func TestRestart(t *testing.T) {
	j := onDisk(t)
	p := program.Build(t).To("http://" + j.OTLP)
	r := p.Demo(t, "--scenario", "recv", "--grace", "3s")
	tree := checkPrinted(t, j, p, r)
	run := p.As("killed").Start(t, "demo", "--scenario", "silent")
	find := shutdownOf(j, "killed", check.Started)
	jaegerd.Await(t, "a checkpoint", find, func(tree *timeline.Tree) bool {
		return len(open(tree, "handshake")) > 0
	})
	run.Signal(t, syscall.SIGKILL)
	run.Wait(t)
	j.Stop(t)
	if _, err := j.Trace(t.Context(), r.TraceID); err == nil {
		t.Fatal("Jaeger did not stop")
	}
	j.Again(t)
	if again := checkPrinted(t, j, p, r); again.Outline() != tree.Outline() {
		t.Errorf("before:\n%s\nafter:\n%s", tree.Outline(), again.Outline())
	}
	wantKilled(t, j, p, find, "handshake wait", "handshake")
}

// TestRestartDuring: Jaeger goes while a server stops and comes back before that is
// over. The trace is whole.
func TestRestartDuring(t *testing.T) {
	j := onDisk(t)
	p := program.Build(t).To("http://" + j.OTLP)
	run := p.As("during").Start(t, "demo", "--scenario", "recv", "--json")
	find := shutdownOf(j, "during", check.Started)
	jaegerd.Await(t, "the first checkpoint", find, func(tree *timeline.Tree) bool {
		return len(open(tree, "rpc Greeter/Chat")) > 0
	})
	j.Stop(t)
	run.AwaitLog(t, "3.0s  conn wait") // while it is gone
	j.Again(t)
	tree := jaegerd.Await(t, "the whole trace", find, complete)
	run.Wait(t)
	check.Tell(t, tree, check.Finished(tree))
	if n := len(tree.Find("checkpoint conn wait")); n < 2 {
		t.Errorf("%d checkpoints:\n%s", n, tree.Outline())
	}
}
