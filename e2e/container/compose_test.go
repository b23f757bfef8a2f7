// SPDX-License-Identifier: Apache-2.0

package container

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

const service = "greeter"

// TestCompose does what jaeger/README.md has its readers do, in this order: a server
// is killed while it stops, comes back, and then stops to its end.
func TestCompose(t *testing.T) {
	engine(t)
	p := compose(t, "")
	tags := p.images(t)
	ours(t, tags["server"]).build(t)
	jaeger(t, tags["jaeger"]).build(t)
	j := jaegerd.At("http://127.0.0.1:16686")

	// Without the load, so that there is one holder.
	p.run(t, "up", "--detach", "--no-build", "server")
	program.Chat(t, program.Client(t, "127.0.0.1:50051"))
	p.run(t, "kill", "-s", "SIGTERM", "server")
	killed := jaegerd.Await(t, "a checkpoint that names the stream", shutdown(j, nil), held)
	p.run(t, "kill", "-s", "SIGKILL", "server")
	check.Tell(t, killed, check.Killed(killed, "rpc Greeter/Chat"))

	p.run(t, "up", "--detach", "--no-build")
	program.Chat(t, program.Client(t, "127.0.0.1:50051"))
	p.run(t, "stop", "server")
	tree := jaegerd.Await(t, "the end of the second stop", shutdown(j, killed), finished)
	check.Tell(t, tree, check.Finished(tree))
	root := tree.Roots[0]
	if got := root.Attributes["shutdown.outcome"]; got != "forced" {
		t.Errorf("outcome %v, want forced: the stream has not ended", got)
	}
	verdict, _ := root.Attributes["shutdown.verdict"].(string)
	if log := p.run(t, "logs", "--no-color", "server"); !strings.Contains(log, verdict) {
		t.Errorf("the log has no verdict %q", verdict)
	}
	state := docker(t, "inspect", "--format", "{{.State.ExitCode}}", p.container(t, "server"))
	if strings.TrimSpace(state) != "1" {
		t.Errorf("server exited with %s, want 1: it was forced, not killed", state)
	}
}

// shutdown finds the one shutdown that has been seen since another.
func shutdown(j *jaegerd.Server, since *timeline.Tree) func(context.Context) (*timeline.Tree, error) {
	return func(ctx context.Context) (*timeline.Tree, error) {
		trees, err := j.FindTrees(ctx, jaegerd.Search{
			Service: service, Operation: check.Started, Since: 10 * time.Minute, Limit: 20,
		})
		for _, tree := range trees {
			if since == nil || tree.ID != since.ID {
				return tree, err
			}
		}
		return nil, err
	}
}

func held(tree *timeline.Tree) bool {
	for _, n := range tree.Find("rpc Greeter/Chat") {
		if n.Up != nil && strings.HasPrefix(n.Up.Name, "checkpoint ") {
			return true
		}
	}
	return false
}

func finished(tree *timeline.Tree) bool {
	return len(tree.Find(check.Root)) > 0 && len(tree.Orphans()) == 0
}
