// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestGone: Jaeger goes while a server stops, and does not come back before that is
// over. What it has then, and what the process says that it has not, is all there
// is; a spool has kept that, and with it the trace is whole.
func TestGone(t *testing.T) {
	j := onDisk(t)
	p := program.Build(t).To("http://" + j.OTLP)
	dir := t.TempDir()
	spools := p.With("GRACETRACE_SPOOL_DIR=" + dir + "/spool")
	demo := []string{"demo", "--scenario", "recv", "--grace", "4s", "--out"}
	runs := map[string]*program.Process{
		"lost":    p.As("lost").Start(t, append(demo, dir+"/lost")...),
		"spooled": spools.As("spooled").Start(t, append(demo, dir+"/spooled")...),
		"killed":  spools.As("killed").Start(t, "demo", "--scenario", "recv"),
	}
	for service := range runs {
		jaegerd.Await(t, "the first checkpoint of "+service, shutdownOf(j, service, check.Started),
			func(tree *timeline.Tree) bool { return len(open(tree, "rpc Greeter/Chat")) > 0 })
	}
	j.Stop(t)
	runs["killed"].AwaitLog(t, "3.0s  conn wait")
	for service, run := range runs {
		if service == "killed" {
			run.Signal(t, syscall.SIGKILL)
		}
		run.Wait(t)
	}
	j.Again(t)

	t.Run("lost", func(t *testing.T) {
		r, tree := reportIn(t, dir+"/lost"), jaegerd.Await(t, "the trace", shutdownOf(j, "lost", check.Started), whole)
		if got := len(tree.All()); got != r.Spans.Sent || len(r.Spans.Lost) == 0 || r.Spans.Spooled > 0 {
			t.Errorf("Jaeger has %d spans, the process says %+v", got, r.Spans)
		}
		if log := runs["lost"].Log(); !strings.Contains(log, "shutdown spans lost") {
			t.Errorf("its log does not say that spans were lost:\n%s", log)
		}
	})
	copied := filepath.Join(dir, "copy")
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "spool"))); err != nil {
		t.Fatal(err)
	}
	out := p.Output(t, nil, "recover", filepath.Join(dir, "spool"))
	if n := bytes.Count(out, []byte("\n")); n != 3 {
		t.Errorf("recover prints %d lines, want one for each stop, and a sum:\n%s", n, out)
	}
	recovered := func(t *testing.T) {
		t.Helper()
		r := reportIn(t, dir+"/spooled")
		if r.Spans.Spooled == 0 || len(r.Spans.Lost) > 0 {
			t.Errorf("the process says %+v", r.Spans)
		}
		checkPrinted(t, j, p, r)
		tree := jaegerd.Await(t, "the killed one", shutdownOf(j, "killed", check.Root), complete)
		check.Tell(t, tree, check.Finished(tree))
		root := tree.Roots[0]
		if root.Attributes["shutdown.outcome"] != "killed" || root.Attributes["error.type"] != "killed" {
			t.Errorf("outcome %v, error.type %v", root.Attributes["shutdown.outcome"], root.Attributes["error.type"])
		}
		if s, _ := root.Attributes["shutdown.verdict"].(string); !strings.Contains(s, "rpc greeter.v1.Greeter/Chat from ") {
			t.Errorf("verdict: %s", s)
		}
		for path, r := range readBack(t, j, p, tree.ID) {
			if r.Outcome != tracer.OutcomeKilled || r.Verdict != root.Attributes["shutdown.verdict"] {
				t.Errorf("report of %s: %s: %s", path, r.Outcome, r.Verdict)
			}
		}
	}
	t.Run("recovered", recovered)
	// As if the first had been killed before it could remove the files.
	p.Output(t, nil, "recover", copied)
	t.Run("recovered twice", recovered)
}

// TestRecoverTwice: of what a spool has kept and two recoveries have sent Jaeger shows
// one trace, in its memory, too, which keeps both.
func TestRecoverTwice(t *testing.T) {
	j := jaegerd.Start(t)
	p := program.Build(t)
	dir := t.TempDir()
	r := p.To("http://127.0.0.1:1").With("GRACETRACE_SPOOL_DIR="+dir+"/spool").Demo(t, "--scenario", "short")
	if r.Spans.Spooled == 0 || r.Spans.Sent > 0 {
		t.Fatalf("the process says %+v", r.Spans)
	}
	if err := os.CopyFS(dir+"/copy", os.DirFS(dir+"/spool")); err != nil {
		t.Fatal(err)
	}
	p = p.To("http://" + j.OTLP)
	p.Output(t, nil, "recover", dir+"/spool")
	tree := checkPrinted(t, j, p, r)
	p.Output(t, nil, "recover", dir+"/copy")
	if again := checkPrinted(t, j, p, r); again.Outline() != tree.Outline() {
		t.Errorf("once:\n%s\ntwice:\n%s", tree.Outline(), again.Outline())
	}
}

// reportIn is the report that `demo --out` has written.
func reportIn(t *testing.T, dir string) *tracer.Report {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r tracer.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}
