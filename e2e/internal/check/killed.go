// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"
	"strings"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// Killed is for a shutdown that ended in SIGKILL while a holder was open, which
// has the span name holder.
func Killed(tree *timeline.Tree, holder string) []string {
	f := spans(tree)
	for _, w := range tree.Warnings() {
		// Every span without its parent has this.
		if !strings.Contains(w, "is not in the trace; skipping clock skew") {
			f.addf("Jaeger warns: %s", w)
		}
	}
	if n := len(tree.Find(Root)); n > 0 {
		f.addf("%d roots: it was killed", n)
	}
	if len(tree.Orphans()) == 0 {
		f.addf("nothing makes the page say Incomplete")
	}
	for what, n := range map[string]*timeline.Node{"page": tree.Title(), "result": tree.Result()} {
		if n == nil || n.Name != Started {
			f.addf("the %s is not named after %q", what, Started)
			return f
		}
	}
	started := tree.Title()
	f.checkpoints(started)
	if len(started.Children) == 0 {
		f.addf("no checkpoint")
		return f
	}
	last := started.Children[len(started.Children)-1]
	i := slices.IndexFunc(last.Children, func(n *timeline.Node) bool { return n.Name == holder })
	if i < 0 {
		f.addf("the last checkpoint has no %q:\n%s", holder, tree.Outline())
	} else if blamed := Blamed(last); blamed != last.Children[i] {
		f.addf("the last checkpoint blames %v, want %q:\n%s", blamed, holder, tree.Outline())
	}
	return f
}

// checkpoints wants them to follow one another from the beginning, each with what
// was known then and below it the holders that were open.
func (f *findings) checkpoints(started *timeline.Node) {
	next := started.End // at the earliest
	for _, c := range started.Children {
		if !strings.HasPrefix(c.Name, "checkpoint ") {
			f.addf("%q below %q", c.Name, started.Name)
			continue
		}
		switch gap := c.Start - next; {
		case gap < 0:
			f.addf("%s starts %d µs before the end of the one before", c.Name, -gap)
		case gap > 2:
			f.addf("%d µs before %s are no checkpoint's", gap, c.Name)
		}
		next = c.End + 1
		f.has(c, "shutdown.elapsed", "shutdown.verdict")
		elapsed, _ := c.Attributes["shutdown.elapsed"].(float64)
		if end := c.End - started.Start; elapsed*1e6 > float64(end+ticks) {
			f.addf("%s: %v s are over, it ends at %d µs", c.Name, elapsed, end)
		}
		f.inside(c)
		for _, h := range c.Children {
			if h.Attributes["shutdown.open"] != true {
				f.addf("%q below %q is not marked as open", h.Name, c.Name)
			}
		}
	}
}
