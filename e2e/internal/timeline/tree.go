// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"cmp"
	"fmt"
	"slices"
)

// A Span is one span of a trace, reduced to what the UI's rules look at, and
// its attributes.
type Span struct {
	Trace  string
	ID     string
	Parent string   // empty for a root
	Links  []string // span ids of links, in order
	// Foreign has the links that point into other traces. They name no parent,
	// but they count when the page looks for its title.
	Foreign    []Link
	Service    string
	Scope      string
	Version    string // of the scope
	Name       string
	Kind       int
	Start, End int64 // microseconds since the epoch
	Error      bool
	Attributes map[string]any
	Resource   map[string]any
}

// A Link is a link into another trace.
type Link struct{ Trace, Span string }

// Duration returns the length of the bar, in microseconds.
func (s *Span) Duration() int64 { return s.End - s.Start }

// parentID returns the id that the UI takes for the parent's: the parent, else
// the first link inside the trace.
func (s *Span) parentID() string {
	if s.Parent == "" && len(s.Links) > 0 {
		return s.Links[0]
	}
	return s.Parent
}

// A Node is a span at its place in the timeline.
type Node struct {
	*Span

	Up       *Node
	Children []*Node // by start
}

// A Tree is a trace as the timeline shows it.
type Tree struct {
	ID         string  // of the trace
	Roots      []*Node // by start
	Duplicates []string

	nodes map[string]*Node
}

// NewTree places the spans of one trace. The order of spans does not matter,
// except that spans which start together keep theirs.
func NewTree(spans []*Span) *Tree {
	t := &Tree{nodes: make(map[string]*Node, len(spans))}
	order := make([]*Node, 0, len(spans))
	for _, s := range spans {
		t.ID = s.Trace
		if t.nodes[s.ID] != nil {
			t.Duplicates = append(t.Duplicates, s.ID)
			continue
		}
		n := &Node{Span: s}
		t.nodes[s.ID] = n
		order = append(order, n)
	}
	for _, n := range order {
		if n.Up = t.place(n.Span); n.Up != nil {
			n.Up.Children = append(n.Up.Children, n)
		} else {
			t.Roots = append(t.Roots, n)
		}
	}
	byStart(t.Roots)
	for _, n := range order {
		byStart(n.Children)
	}
	return t
}

// place returns the node that s hangs below: its parent, else the first of its
// links that is in the trace, else none.
func (t *Tree) place(s *Span) *Node {
	if up := t.nodes[s.Parent]; up != nil {
		return up
	}
	for _, id := range s.Links {
		if up := t.nodes[id]; up != nil {
			return up
		}
	}
	return nil
}

func byStart(nodes []*Node) {
	slices.SortStableFunc(nodes, func(a, b *Node) int { return cmp.Compare(a.Start, b.Start) })
}

// Reversed is the trace as it is shown when the storage names its spans the other
// way round: of those that start together the last row is the first then. Neither
// a storage nor Jaeger promises an order.
func (t *Tree) Reversed() *Tree {
	var spans []*Span
	for _, n := range t.All() {
		spans = append(spans, n.Span)
	}
	slices.Reverse(spans)
	return NewTree(spans)
}

// Node returns the span with the id, nil if there is none.
func (t *Tree) Node(id string) *Node { return t.nodes[id] }

// All returns the spans in the order of the rows.
func (t *Tree) All() []*Node {
	var rows []*Node
	var walk func([]*Node)
	walk = func(nodes []*Node) {
		for _, n := range nodes {
			rows = append(rows, n)
			walk(n.Children)
		}
	}
	walk(t.Roots)
	return rows
}

// Find returns the spans with the name, in the order of the rows.
func (t *Tree) Find(name string) []*Node {
	return slices.DeleteFunc(t.All(), func(n *Node) bool { return n.Name != name })
}

// Orphans returns the spans whose parent is not in the trace. With one or more,
// the page and the list of results carry the badge "Incomplete".
func (t *Tree) Orphans() []*Node {
	return slices.DeleteFunc(t.All(), func(n *Node) bool {
		id := n.parentID()
		return id == "" || t.nodes[id] != nil
	})
}

// Warnings returns what Jaeger has to say about the spans, such as a corrected
// clock, as "name: warning".
func (t *Tree) Warnings() []string {
	var all []string
	for _, n := range t.All() {
		if w, ok := n.Attributes["@jaeger@warnings"]; ok {
			all = append(all, fmt.Sprintf("%s: %v", n.Name, w))
		}
	}
	return all
}

// Title returns the span that the trace's page is named after: of those that
// refer to no span of the trace, the one with the fewest references, then the
// earliest. A link counts as a reference even when it leads to another trace,
// so a root that has one loses its title to any parentless span without.
func (t *Tree) Title() *Node {
	var title *Node
	for _, n := range t.All() {
		switch {
		case t.place(n.Span) != nil:
		case title == nil,
			n.references() < title.references(),
			n.references() == title.references() && n.Start < title.Start:
			title = n
		}
	}
	return title
}

func (s *Span) references() int {
	n := len(s.Links) + len(s.Foreign)
	if s.Parent != "" {
		n++
	}
	return n
}

// Result returns the span that names the trace in the list of results: the
// earliest without a parent. Nil is shown as <trace-without-root-span>.
func (t *Tree) Result() *Node {
	for _, n := range t.Roots {
		if n.Parent == "" {
			return n
		}
	}
	return nil
}
