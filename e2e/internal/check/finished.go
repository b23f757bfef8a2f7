// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// Names of the spans at the top.
const (
	Root         = "grpc.server.shutdown"
	Started      = "grpc.server.shutdown started"
	groupRoot    = "shutdown"
	groupStarted = "shutdown started"
)

// ticks is how far apart spans are drawn in µs, all phases together, so that
// Jaeger finds the critical path.
const ticks = 20

// Finished is for a shutdown that came to its end, however it was forced, and for
// a killed one that was recovered.
func Finished(tree *timeline.Tree) []string {
	f := whole(tree)
	if f.roots(tree, Root, Started) {
		f.shutdown(tree, tree.Roots[0], tree.Roots[1])
	}
	return f
}

// Group is for a server.Group that came to its end.
func Group(tree *timeline.Tree) []string {
	f := whole(tree)
	servers := tree.Find(Root)
	want := []string{groupRoot, groupStarted}
	for range servers {
		want = append(want, Started)
	}
	if !f.roots(tree, want...) {
		return f
	}
	root := tree.Roots[0]
	f.outcome(root)
	f.inside(root)
	for _, m := range root.Children {
		if !strings.HasPrefix(m.Name, "member ") {
			f.addf("%q below the group", m.Name)
		}
		f.has(m, "shutdown.member", "shutdown.member.kind", "shutdown.member.turn", "shutdown.member.offset",
			"shutdown.member.budget_left", "shutdown.verdict")
	}
	for i, s := range servers {
		if s.Up == nil || !strings.HasPrefix(s.Up.Name, "member ") {
			f.addf("%s is not below its member", s.Name)
			continue
		}
		f.shutdown(tree, s, tree.Roots[2+i])
	}
	return f
}

// whole looks at what a person sees first.
func whole(tree *timeline.Tree) findings {
	f := spans(tree)
	if w := tree.Warnings(); len(w) > 0 {
		f.addf("Jaeger warns: %q", w)
	}
	if o := tree.Orphans(); len(o) > 0 {
		f.addf("Incomplete: %d spans without their parent, the first %q", len(o), o[0].Name)
	}
	return f
}

// roots reports whether the trace has just these, after which it may be looked
// into.
func (f *findings) roots(tree *timeline.Tree, want ...string) bool {
	var roots []string
	for _, n := range tree.Roots {
		roots = append(roots, n.Name)
	}
	if diff := cmp.Diff(want, roots); diff != "" {
		f.addf("roots (-want +got):\n%s", diff)
		return false
	}
	for what, n := range map[string]*timeline.Node{"page": tree.Title(), "result": tree.Result()} {
		if n != tree.Roots[0] {
			f.addf("the %s is named after %q", what, n.Name)
		}
	}
	return true
}

func (f *findings) shutdown(tree *timeline.Tree, root, started *timeline.Node) {
	if started.Duration() != 1 {
		f.addf("started is %d µs long", started.Duration())
	}
	if started.Start != root.Start+1 {
		f.addf("started is %d µs after its root", started.Start-root.Start)
	}
	for _, key := range []string{"rpc.system.name", "shutdown.source", "shutdown.call", "shutdown.grpc.version"} {
		if a, b := root.Attributes[key], started.Attributes[key]; a != b {
			f.addf("%s is %v on the root and %v on started", key, a, b)
		}
	}
	f.has(root, "rpc.system.name", "shutdown.source")
	f.outcome(root)
	f.inside(root)
	f.checkpoints(started)
	killed := root.Attributes["shutdown.outcome"] == "killed"
	if !killed { // else there is of its phases what was sent until then
		f.phases(root)
	}
	for _, shown := range []*timeline.Tree{tree, tree.Reversed()} {
		path := shown.CriticalPath()
		for _, phase := range shown.Node(root.ID).Children {
			f.culprit(path, phase, killed)
		}
	}
}

// outcomes are the values of error.type that go with each outcome; graceful has
// none.
var outcomes = map[string][]string{
	"graceful": nil, "forced": {"forced", "servehttp_cut"}, "killed": {"killed"},
}

func (f *findings) outcome(n *timeline.Node) {
	f.has(n, "shutdown.verdict")
	outcome, _ := n.Attributes["shutdown.outcome"].(string)
	failed, known := outcomes[outcome]
	if !known {
		f.addf("%s: outcome %q", n.Name, outcome)
	}
	if n.Error != (len(failed) > 0) {
		f.addf("%s: error status %v, outcome %s", n.Name, n.Error, outcome)
	}
	class, has := n.Attributes["error.type"].(string)
	if has != n.Error || has && !slices.Contains(failed, class) {
		f.addf("%s: error.type %q, outcome %s", n.Name, class, outcome)
	}
}

// phases wants them in their order, one after the other with a gap that keeps
// them on the critical path, and from quit on without another.
func (f *findings) phases(root *timeline.Node) {
	next := 0
	for i, phase := range root.Children {
		if i > 0 {
			last := root.Children[i-1]
			switch gap := phase.Start - last.End; {
			case gap < 1:
				f.addf("%q starts %d µs after the end of %q, want at least 1", phase.Name, gap, last.Name)
			case next > 0 && gap > 2:
				f.addf("%d µs between %q and %q are nobody's", gap, last.Name, phase.Name)
			}
		}
		if next < len(CorePhases) && phase.Name == CorePhases[next] {
			next++
		}
	}
	if next < len(CorePhases) {
		f.addf("phase %q is missing or out of order", CorePhases[next])
	} else if last := root.Children[len(root.Children)-1]; root.End-last.End > ticks {
		f.addf("%d µs after %q are nobody's", root.End-last.End, last.Name)
	}
}

// inside wants nothing to stick out of its parent, by which Jaeger tells a clock
// that is wrong.
func (f *findings) inside(n *timeline.Node) {
	for _, c := range n.Children {
		if c.Start < n.Start || c.End > n.End {
			f.addf("%q sticks out of %q", c.Name, n.Name)
		}
		f.inside(c)
	}
}

// culprit wants who is blamed for a phase to have a span, and the critical path
// to run through it if it held most of the phase. The phase in which a process was
// killed does not say whom it blames.
func (f *findings) culprit(path []timeline.Section, phase *timeline.Node, killed bool) {
	said, blamed := phase.Attributes["shutdown.culprit"], Blamed(phase)
	if (said != nil) != (blamed != nil) && !killed {
		f.addf("%q: the culprit is %v, its span %v", phase.Name, said, blamed)
		return
	}
	if blamed != nil && 2*blamed.Duration() > phase.Duration() && !timeline.OnCriticalPath(path, blamed) {
		f.addf("%q: the culprit %q is not on the critical path", phase.Name, blamed.Name)
	}
}

// Blamed returns the span of the holder below n that is blamed, the deepest: its
// connection has the mark, too.
func Blamed(n *timeline.Node) *timeline.Node {
	var blamed *timeline.Node
	for _, c := range n.Children {
		if c.Attributes["shutdown.holder.culprit"] == true {
			blamed = c
			if deeper := Blamed(c); deeper != nil {
				blamed = deeper
			}
		}
	}
	return blamed
}
