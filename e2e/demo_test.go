// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	"github.com/gracetrace/gracetrace/tracer"
)

// scenarios are the names that `gracetrace demo --list` has.
func scenarios(t *testing.T, p program.Program) (names []string) {
	t.Helper()
	for line := range strings.Lines(string(p.Output(t, nil, "demo", "--list"))) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	if len(names) < 8 {
		t.Fatalf("demo --list has %q", names)
	}
	return names
}

// demo runs the demo in a process of its own and holds what Jaeger then has to
// everything that can be held to.
func demo(t *testing.T, j *jaegerd.Server, p program.Program, args ...string) *timeline.Tree {
	t.Helper()
	r := p.Demo(t, args...)
	return checkPrinted(t, j, p, r)
}

// checkPrinted checks the trace of a shutdown that was printed.
func checkPrinted(t *testing.T, j *jaegerd.Server, p program.Program, r *tracer.Report) *timeline.Tree {
	t.Helper()
	tree := jaegerd.Await(t, "the trace "+r.TraceID, trace(j, r.TraceID), complete)
	check.Tell(t, tree, check.Finished(tree))
	check.Tell(t, tree, check.Printed(tree, r))
	for path, read := range readBack(t, j, p, r.TraceID) {
		if diff := check.Same(r, read); diff != "" {
			t.Errorf("report of %s (-printed +read):\n%s", path, diff)
		}
		for i := range read.Phases {
			c, n := read.Phases[i].Culprit, check.Blamed(tree.Find(check.Root)[0].Children[i])
			if c != nil && !within(n, c.SpanID) {
				t.Errorf("report of %s: the culprit of %s has span %q", path, read.Phases[i].Name, c.SpanID)
			}
		}
	}
	return tree
}

// within reports whether n or a span above it has the id.
func within(n *timeline.Node, id string) bool {
	for ; n != nil; n = n.Up {
		if n.ID == id {
			return true
		}
	}
	return false
}

// readBack is what `gracetrace report` makes of a trace in the forms in which
// Jaeger gives it away, of which the first is also what its UI downloads, and of its
// id and its link.
func readBack(t *testing.T, j *jaegerd.Server, p program.Program, id string) map[string]*tracer.Report {
	t.Helper()
	reports := make(map[string]*tracer.Report)
	for _, path := range []string{"/api/traces/", "/api/v3/traces/"} {
		answer, err := j.Answer(t.Context(), path+id)
		if err != nil {
			t.Fatal(err)
		}
		reports[path] = p.Report(t, answer)
	}
	reports["its id"] = p.Asked(t, "--jaeger", j.Query, id)
	reports["its link"] = p.Asked(t, j.Query+"/trace/"+id+"?uiFind=0")
	return reports
}

func trace(j *jaegerd.Server, id string) func(context.Context) (*timeline.Tree, error) {
	return func(ctx context.Context) (*timeline.Tree, error) { return j.Trace(ctx, id) }
}

// complete says that nothing more is to come.
func complete(tree *timeline.Tree) bool {
	return len(tree.Find(check.Root)) > 0 && len(tree.Find(check.Started)) > 0 && len(tree.Orphans()) == 0
}

// TestDemo runs every scenario of the demo, plain and over TLS, all at once: they
// spend their time waiting.
func TestDemo(t *testing.T) {
	j := jaegerd.Start(t)
	p := program.Build(t).To("http://" + j.OTLP).With("GRACETRACE_UI_URL=" + j.Query)
	for _, name := range scenarios(t, p) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tree := demo(t, j, p, "--scenario", name)
			if name != "all" {
				return
			}
			for _, phase := range check.CorePhases {
				if len(tree.Find(phase)) != 1 {
					t.Errorf("it shows %q %d times, want once", phase, len(tree.Find(phase)))
				}
			}
		})
		t.Run(name+" over TLS", func(t *testing.T) {
			t.Parallel()
			demo(t, j, p, "--tls", "--scenario", name, "--grace", "7s")
		})
	}
	for _, protocol := range []string{"http/protobuf", "http/json"} {
		t.Run("by "+protocol, func(t *testing.T) {
			t.Parallel()
			demo(t, j, p.To("http://"+j.HTTP).With("OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_EXPORTER_OTLP_COMPRESSION=gzip"), "--scenario", "short")
		})
	}
}
