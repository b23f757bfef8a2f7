// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// A report is what we look at in what `demo --json` prints.
type report struct {
	TraceID    string `json:"trace_id"`
	Outcome    string `json:"outcome"`
	DurationUS int64  `json:"duration_us"`
	Verdict    string `json:"verdict"`
	Phases     []struct {
		Name       string   `json:"name"`
		DurationUS int64    `json:"duration_us"`
		Culprit    *culprit `json:"culprit"`
	} `json:"phases"`
}

type culprit struct {
	Kind   string `json:"kind"`
	Method string `json:"method"`
	Peer   string `json:"peer"`
	HeldUS int64  `json:"held_us"`
}

// corePhases are those of GracefulStop, in their order.
var corePhases = []string{
	"quit", "listener close", "handshake wait", "GOAWAY", "conn wait", "handler wait",
}

// spanNames are the names that may stand in a trace. Nothing that a client can
// choose is one of them.
var spanNames = regexp.MustCompile(`^(` + strings.Join([]string{
	`grpc\.server\.shutdown( started)?`,
	`(checkpoint )?(quit|listener close|handshake wait|GOAWAY|conn wait|forced stop|handler wait)`,
	`not serving|lame duck|app flush`,
	`listener|handshake|connection|GOAWAY ack|linger|summary`,
	`(rpc|handler) Greeter/(SayHello|Watch|Upload|Chat)`,
}, "|") + `)$`)

const kindInternal = 1

// checkSpans holds for every trace, of a killed process too.
func checkSpans(t *testing.T, tree *timeline.Tree) {
	t.Helper()
	if len(tree.Duplicates) > 0 {
		t.Errorf("span ids sent twice: %v", tree.Duplicates)
	}
	for _, n := range tree.All() {
		if !spanNames.MatchString(n.Name) {
			t.Errorf("span name %q", n.Name)
		}
		if n.Kind != kindInternal {
			t.Errorf("%s: kind %d, want INTERNAL", n.Name, n.Kind)
		}
		if n.Resource["host.name"] == nil {
			t.Errorf("%s: no host.name in the resource, Jaeger would correct its clock", n.Name)
		}
	}
}

// checkFinished holds for a shutdown that came to its end.
func checkFinished(t *testing.T, tree *timeline.Tree) {
	t.Helper()
	checkSpans(t, tree)
	if w := tree.Warnings(); len(w) > 0 {
		t.Errorf("Jaeger warns: %q", w)
	}
	if o := tree.Orphans(); len(o) > 0 {
		t.Errorf("%d spans without their parent, the first %q", len(o), o[0].Name)
	}
	var roots []string
	for _, n := range tree.Roots {
		roots = append(roots, n.Name)
	}
	want := []string{"grpc.server.shutdown", "grpc.server.shutdown started"}
	if diff := cmp.Diff(want, roots); diff != "" {
		t.Fatalf("roots (-want +got):\n%s\n%s", diff, tree.Outline())
	}
	root, started := tree.Roots[0], tree.Roots[1]
	if started.Start != root.Start+1 || started.Duration() != 1 {
		t.Errorf("started is at %d for %d µs, want at 1 for 1", started.Start-root.Start, started.Duration())
	}
	if tree.Title() != root {
		t.Errorf("the page is named after %q", tree.Title().Name)
	}
	if root.Error != (root.Attributes["shutdown.outcome"] == "forced") {
		t.Errorf("error status is %v, outcome %v", root.Error, root.Attributes["shutdown.outcome"])
	}
	checkPhases(t, root)
}

// checkPhases holds the phases to their order, one after the other with a gap
// that keeps them on the critical path, and everything inside its parent.
func checkPhases(t *testing.T, root *timeline.Node) {
	t.Helper()
	next := 0
	for i, phase := range root.Children {
		if i > 0 && phase.Start <= root.Children[i-1].End {
			t.Errorf("%q starts %d µs after the end of %q, want at least 1", phase.Name,
				phase.Start-root.Children[i-1].End, root.Children[i-1].Name)
		}
		if next < len(corePhases) && phase.Name == corePhases[next] {
			next++
		}
	}
	if next < len(corePhases) {
		t.Errorf("phase %q is missing or out of order", corePhases[next])
	}
	var inside func(*timeline.Node)
	inside = func(n *timeline.Node) {
		for _, c := range n.Children {
			if c.Start < n.Start || c.End > n.End {
				t.Errorf("%q sticks out of %q", c.Name, n.Name)
			}
			inside(c)
		}
	}
	inside(root)
}

// checkReport compares what the process printed with what Jaeger has.
func checkReport(t *testing.T, tree *timeline.Tree, r *report) {
	t.Helper()
	root := tree.Roots[0]
	if got := root.Attributes["shutdown.verdict"]; got != r.Verdict {
		t.Errorf("verdict in Jaeger and printed:\n%v\n%s", got, r.Verdict)
	}
	if got := root.Attributes["shutdown.outcome"]; got != r.Outcome {
		t.Errorf("outcome in Jaeger %v, printed %s", got, r.Outcome)
	}
	path := tree.CriticalPath()
	for _, p := range r.Phases {
		phase := child(root, p.Name)
		if phase == nil {
			t.Errorf("phase %q is printed and not in Jaeger", p.Name)
			continue
		}
		// The gap and the least length of a span take a microsecond each.
		if d := phase.Duration() - p.DurationUS; d < -2 || d > 2 {
			t.Errorf("%q took %d µs in Jaeger, %d printed", p.Name, phase.Duration(), p.DurationUS)
		}
		if p.Culprit == nil || 2*p.Culprit.HeldUS < p.DurationUS {
			continue
		}
		if n := p.Culprit.span(phase); n == nil {
			t.Errorf("%q: no span of the culprit %+v:\n%s", p.Name, *p.Culprit, tree.Outline())
		} else if !timeline.OnCriticalPath(path, n) {
			t.Errorf("%q: the culprit %q is not on the critical path:\n%s", p.Name, n.Name, tree.Outline())
		}
	}
}

// span finds the span of the holder below its phase.
func (c *culprit) span(phase *timeline.Node) *timeline.Node {
	name := c.Kind
	if c.Method != "" {
		name += " " + c.Method[strings.LastIndex(c.Method, ".")+1:]
	}
	for _, n := range below(phase) {
		peer := net.JoinHostPort(fmt.Sprint(n.Attributes["network.peer.address"]),
			fmt.Sprint(n.Attributes["network.peer.port"]))
		if n.Name == name && (c.Peer == "" || c.Peer == peer) {
			return n
		}
	}
	return nil
}

// checkKilled holds for a shutdown that ended in SIGKILL while holder was open.
func checkKilled(t *testing.T, tree *timeline.Tree, holder string) {
	t.Helper()
	checkSpans(t, tree)
	if n := len(tree.Find("grpc.server.shutdown")); n > 0 {
		t.Errorf("%d roots: it was killed", n)
	}
	if len(tree.Orphans()) == 0 {
		t.Error("nothing makes the page say Incomplete")
	}
	if got := tree.Title().Name; got != "grpc.server.shutdown started" {
		t.Fatalf("the page is named after %q", got)
	}
	checkpoints := tree.Title().Children
	if len(checkpoints) == 0 {
		t.Fatalf("no checkpoint:\n%s", tree.Outline())
	}
	last := checkpoints[len(checkpoints)-1]
	if held := child(last, holder); held == nil {
		t.Errorf("the last checkpoint does not name %q:\n%s", holder, tree.Outline())
	} else if held.Attributes["shutdown.open"] != true {
		t.Errorf("%q is not marked as open", holder)
	}
}

func child(n *timeline.Node, name string) *timeline.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func below(n *timeline.Node) []*timeline.Node {
	var all []*timeline.Node
	for _, c := range n.Children {
		all = append(append(all, c), below(c)...)
	}
	return all
}
