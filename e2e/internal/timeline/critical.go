// SPDX-License-Identifier: Apache-2.0

package timeline

// A Section is a stretch of the critical path: the black line inside a span's
// bar.
type Section struct {
	*Node

	From, To int64 // microseconds since the epoch
}

// Duration returns the length of the line, in microseconds.
func (s Section) Duration() int64 { return s.To - s.From }

// CriticalPath returns the sections of the critical path below every root, each
// from its end to its beginning.
//
// The path is walked backwards. From the end of a span it goes down into the
// child that ended last; where a span has no more children it goes up again, to
// the sibling that ended last *before* the span started. Before is strict: a
// child that ends in the microsecond in which the next starts is passed over,
// and everything below it with it. What is not covered by a child belongs to the
// span itself.
//
// A root whose parent is missing has no critical path.
func (t *Tree) CriticalPath() []Section {
	var path []Section
	for _, root := range t.Roots {
		if root.parentID() != "" {
			continue
		}
		path = append(path, walk(clip(root, nil))...)
	}
	return path
}

// A bar is a span cut to what shows inside its parent.
type bar struct {
	*Node

	from, to int64
	up       *bar
	children []*bar
}

// clip cuts n to its parent's bar. It returns nil when nothing of n is inside,
// or when n hangs there by a link while its parent is missing.
func clip(n *Node, up *bar) *bar {
	b := &bar{Node: n, from: n.Start, to: n.End, up: up}
	if up != nil {
		if n.parentID() != up.ID {
			return nil
		}
		if b.from >= up.to || b.from < up.from && b.to <= up.from {
			return nil
		}
		b.from, b.to = max(b.from, up.from), min(b.to, up.to)
	}
	for _, c := range n.Children {
		if cb := clip(c, b); cb != nil {
			b.children = append(b.children, cb)
		}
	}
	return b
}

func walk(b *bar) []Section {
	var path []Section
	add := func(b *bar, from, to int64) {
		if from != to {
			path = append(path, Section{Node: b.Node, From: from, To: to})
		}
	}
	to, returning := b.to, false
	for b != nil {
		if last := b.lastChild(to, returning); last != nil {
			add(b, last.to, to)
			b, to, returning = last, last.to, false
			continue
		}
		add(b, b.from, to)
		b, to, returning = b.up, b.from, true
	}
	return path
}

// lastChild returns the child that ended last, the earliest of equals. When the
// walk returns from a child, only those count that ended before its start.
func (b *bar) lastChild(start int64, returning bool) *bar {
	var last *bar
	for _, c := range b.children {
		if returning && c.to >= start {
			continue
		}
		if last == nil || c.to > last.to {
			last = c
		}
	}
	return last
}

// OnCriticalPath reports whether a section of path lies in n or in a span below
// it.
func OnCriticalPath(path []Section, n *Node) bool {
	for _, s := range path {
		for up := s.Node; up != nil; up = up.Up {
			if up == n {
				return true
			}
		}
	}
	return false
}
