// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// The command itself, in processes of its own that get real signals, and what
// Jaeger then has of them.
func TestGracetrace(t *testing.T) {
	j := jaegerd.Start(t)
	bin := filepath.Join(t.TempDir(), "gracetrace")
	build := exec.Command("go", "build", "-o", bin, "./cmd/gracetrace")
	build.Dir = jaegerd.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}

	t.Run("demo", func(t *testing.T) {
		t.Parallel()
		cmd := command(t, j, bin, "demo", "--json")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("demo: %v\n%s", err, stderr(err))
		}
		var r report
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("demo --json: %v\n%s", err, out)
		}
		tree := jaegerd.Await(t, "the demo's trace", trace(j, r.TraceID), hasRoot)
		checkFinished(t, tree)
		checkReport(t, tree, &r)
		checkReadBack(t, j, bin, &r)
		for _, phase := range corePhases {
			if len(tree.Find(phase)) != 1 {
				t.Errorf("the demo shows %q %d times, want once", phase, len(tree.Find(phase)))
			}
		}
	})

	for _, protocol := range []string{"http/protobuf", "http/json"} {
		t.Run("demo by "+protocol, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, j, bin, "demo", "--scenario", "short", "--json")
			cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_EXPORTER_OTLP_COMPRESSION=gzip", "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+j.HTTP)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("demo: %v\n%s", err, stderr(err))
			}
			var r report
			if err := json.Unmarshal(out, &r); err != nil {
				t.Fatalf("demo --json: %v\n%s", err, out)
			}
			tree := jaegerd.Await(t, "the demo's trace", trace(j, r.TraceID), hasRoot)
			checkFinished(t, tree)
			checkReadBack(t, j, bin, &r)
		})
	}

	t.Run("SIGTERM with a silent client", func(t *testing.T) {
		t.Parallel()
		s := serve(t, j, bin, "greeter-term", "--handshake-timeout", "2s")
		s.silentClient(t)
		s.signal(t, syscall.SIGTERM)
		tree := jaegerd.Await(t, "the server's trace", s.trace("grpc.server.shutdown"), hasRoot)
		s.wait(t)
		checkFinished(t, tree)
		held := tree.Find("handshake wait")[0]
		if held.Duration() < 1_000_000 {
			t.Errorf("handshake wait took %d µs, want the silent client's 2 s", held.Duration())
		}
		if !timeline.OnCriticalPath(tree.CriticalPath(), child(held, "handshake")) {
			t.Errorf("the handshake is not on the critical path:\n%s", tree.Outline())
		}
	})

	t.Run("SIGKILL while a stream holds", func(t *testing.T) {
		t.Parallel()
		s := serve(t, j, bin, "greeter-kill")
		s.openChat(t)
		s.signal(t, syscall.SIGTERM)
		started := s.trace("grpc.server.shutdown started")
		jaegerd.Await(t, "a checkpoint that names the stream", started, func(tree *timeline.Tree) bool {
			return len(tree.Find("checkpoint conn wait")) > 0 && len(tree.Find("rpc Greeter/Chat")) > 0
		})
		s.signal(t, syscall.SIGKILL)
		s.wait(t)
		tree, err := started(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		checkKilled(t, tree, "rpc Greeter/Chat")
		ids, err := j.Find(t.Context(), jaegerd.Search{Service: s.service, Since: time.Hour, Limit: 10})
		if err != nil || len(ids) != 1 {
			t.Fatalf("traces %q, want one: %v", ids, err)
		}
		for _, got := range readBack(t, j, bin, ids[0]) {
			if got.Outcome != "killed" || !strings.Contains(got.Verdict, " so far: rpc greeter.v1.Greeter/Chat from ") {
				t.Errorf("gracetrace report says %s: %s", got.Outcome, got.Verdict)
			}
		}
	})
}

func stderr(err error) []byte {
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

func trace(j *jaegerd.Server, id string) func(context.Context) (*timeline.Tree, error) {
	return func(ctx context.Context) (*timeline.Tree, error) { return j.Trace(ctx, id) }
}

func hasRoot(tree *timeline.Tree) bool {
	return len(tree.Find("grpc.server.shutdown")) > 0 &&
		len(tree.Find("grpc.server.shutdown started")) > 0 && len(tree.Orphans()) == 0
}
