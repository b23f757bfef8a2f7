// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// parse reads one span a line: id, parent or -, start-end, then @id for each
// link, @~ for one into another trace.
func parse(t *testing.T, text string) *Tree {
	t.Helper()
	var spans []*Span
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		s := &Span{ID: f[0], Name: f[0], Parent: strings.Trim(f[1], "-")}
		if _, err := fmt.Sscanf(f[2], "%d-%d", &s.Start, &s.End); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		for _, link := range f[3:] {
			if link == "@~" {
				s.Foreign = append(s.Foreign, Link{Trace: "other", Span: "elsewhere"})
			} else {
				s.Links = append(s.Links, link[1:])
			}
		}
		spans = append(spans, s)
	}
	return NewTree(spans)
}

func names(nodes []*Node) string {
	var s []string
	for _, n := range nodes {
		s = append(s, n.Name)
	}
	return strings.Join(s, " ")
}

func TestTree(t *testing.T) {
	for _, tt := range []struct {
		name, spans          string
		rows, roots, orphans string
		title, result        string
	}{{
		name:  "rows go down by start, whatever order the spans came in",
		spans: "c r 50-60\n a r 10-40\n b a 20-30\n r - 1-100",
		rows:  "r a b c", roots: "r", title: "r", result: "r",
	}, {
		name:  "a finished shutdown: the root is earlier than its started span",
		spans: "started - 2-3\n check started 2-50\n root - 1-100\n quit root 3-4",
		rows:  "root quit started check", roots: "root started", title: "root", result: "root",
	}, {
		name:  "a killed one: quit is a root too, but the trace is named by started",
		spans: "quit root 3-4\n started - 2-3\n check started 2-50\n wait root 5-40",
		rows:  "started check quit wait", roots: "started quit wait", orphans: "quit wait",
		title: "started", result: "started",
	}, {
		name:  "a link to a span of the trace stands in for a missing parent",
		spans: "r - 1-100\n a gone 10-20 @r",
		rows:  "r a", roots: "r", orphans: "a", title: "r", result: "r",
	}, {
		name:  "a link alone makes a child and no orphan",
		spans: "r - 1-100\n a - 10-20 @r",
		rows:  "r a", roots: "r", title: "r", result: "r",
	}, {
		name:  "a root with a link elsewhere loses the title, not the result",
		spans: "root - 1-100 @~\n started - 2-3",
		rows:  "root started", roots: "root started", title: "started", result: "root",
	}, {
		name:  "the same link on both, and the earlier has the title again",
		spans: "root - 1-100 @~\n started - 2-3 @~",
		rows:  "root started", roots: "root started", title: "root", result: "root",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			tree := parse(t, tt.spans)
			got := []string{names(tree.All()), names(tree.Roots), names(tree.Orphans()),
				tree.Title().Name, tree.Result().Name}
			want := []string{tt.rows, tt.roots, tt.orphans, tt.title, tt.result}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rows, roots, orphans, title, result (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReversed: of two that hold together the critical path takes the one that the
// storage names first.
func TestReversed(t *testing.T) {
	tree := parse(t, "r - 1-100\n a r 2-100\n b r 2-100\n c r 3-90")
	for want, shown := range map[string]*Tree{"r a b c": tree, "r b a c": tree.Reversed()} {
		if got := names(shown.All()); got != want {
			t.Errorf("rows %s, want %s", got, want)
		}
		first := shown.Node(want[2:3])
		if got := shown.CriticalPath()[0].Node; got != first {
			t.Errorf("the critical path of %s ends in %s", want, got.Name)
		}
	}
}

func TestTreeDuplicates(t *testing.T) {
	if got := parse(t, "r - 1-9\n a r 2-3\n a r 2-4").Duplicates; !slices.Equal(got, []string{"a"}) {
		t.Errorf("duplicates = %v, want [a]", got)
	}
}

func TestCriticalPath(t *testing.T) {
	for _, tt := range []struct{ name, spans, want string }{{
		name:  "a span alone is its own path",
		spans: "r - 1-100",
		want:  "r 1-100",
	}, {
		name:  "children one after the other, a microsecond apart",
		spans: "r - 1-100\n a r 1-49\n b r 50-100",
		want:  "b 50-100, r 49-50, a 1-49",
	}, {
		name:  "children that abut: the earlier one is passed over",
		spans: "r - 1-100\n a r 1-50\n b r 50-100",
		want:  "b 50-100, r 1-50",
	}, {
		name:  "a short child that overlaps the end of a long one hides it",
		spans: "r - 1-100\n connwait r 1-90\n forced r 80-95",
		want:  "r 95-100, forced 80-95, r 1-80",
	}, {
		name:  "of parallel children the one that ended last",
		spans: "r - 1-100\n a r 2-50\n b r 2-90",
		want:  "r 90-100, b 2-90, r 1-2",
	}, {
		name:  "of children that ended together the one that started first",
		spans: "r - 1-100\n late r 60-100\n early r 2-100",
		want:  "early 2-100, r 1-2",
	}, {
		name:  "down into grandchildren and up again",
		spans: "r - 1-100\n a r 1-40\n b r 41-100\n b1 b 41-60\n b2 b 61-95",
		want:  "b 95-100, b2 61-95, b 60-61, b1 41-60, r 40-41, a 1-40",
	}, {
		name:  "a child that overhangs is cut, one outside is not there",
		spans: "r - 10-100\n a r 5-120\n b r 100-110\n c r 2-10",
		want:  "a 10-100",
	}, {
		name:  "below a child that is not there nothing is",
		spans: "r - 1-10\n a r 10-50\n b a 10-50",
		want:  "r 1-10",
	}, {
		name:  "a root whose parent is missing has none",
		spans: "a gone 1-50\n b a 2-40",
		want:  "",
	}, {
		name:  "a root with a link elsewhere has one",
		spans: "r - 1-50 @~\n b r 2-40",
		want:  "r 40-50, b 2-40, r 1-2",
	}, {
		name:  "a child by its link, parent missing, is not on it",
		spans: "r - 1-50\n b gone 2-40 @r",
		want:  "r 1-50",
	}, {
		name:  "every root its own",
		spans: "r - 1-50\n s - 2-3\n c s 2-40",
		want:  "r 1-50, c 2-3",
	}} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, s := range parse(t, tt.spans).CriticalPath() {
				got = append(got, fmt.Sprintf("%s %d-%d", s.Name, s.From, s.To))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, ", ")); diff != "" {
				t.Errorf("critical path (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnCriticalPath(t *testing.T) {
	tree := parse(t, "r - 1-100\n conn r 1-100\n rpc conn 1-100\n other r 1-50")
	path := tree.CriticalPath()
	for name, want := range map[string]bool{"r": true, "conn": true, "rpc": true, "other": false} {
		if got := OnCriticalPath(path, tree.Find(name)[0]); got != want {
			t.Errorf("OnCriticalPath(%s) = %v, want %v", name, got, want)
		}
	}
}
