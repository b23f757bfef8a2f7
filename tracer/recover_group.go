// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// group ends a group whose process was killed: its members that had not ended, and
// the root.
func (e *ending) group(g *readGroup) {
	r := g.report()
	root := e.groupRoot(g)
	keys := slices.SortedFunc(maps.Keys(g.members), func(a, b memberKey) int {
		return cmp.Or(cmp.Compare(a.turn, b.turn), strings.Compare(a.name, b.name))
	})
	for _, key := range keys {
		e.member(g, key, root)
	}
	e.like = e.found[g.started]
	sp := e.make(root, "", spanGroup, g.base, g.base+time.Duration(r.Duration).Microseconds(), []attr{
		{keyOutcome, string(OutcomeKilled)}, {keyVerdict, r.Verdict}, {keyMembers, len(r.Members)},
	})
	e.killed(sp, r.Verdict)
	e.below(sp)
	e.top, e.open = root, ""
}

// groupRoot is the id of the root that is missing: a member that has ended says it.
func (*ending) groupRoot(g *readGroup) string {
	for _, key := range slices.SortedFunc(maps.Keys(g.members), func(a, b memberKey) int {
		return cmp.Compare(a.turn, b.turn)
	}) {
		if own := ownSpan(g.members[key]); own != nil && own.parent != "" {
			return own.parent
		}
	}
	return derived(g.started.id, spanGroup)
}

// ownSpan is that of a member whose stop was over.
func ownSpan(t *readTrace) *readSpan {
	for _, s := range t.spans {
		if strings.HasPrefix(s.name, spanMember) && s.text(keyOutcome) != "" {
			return s
		}
	}
	return nil
}

// member ends a member, and makes its own span.
func (e *ending) member(g *readGroup, key memberKey, root string) {
	t := g.members[key]
	if ownSpan(t) != nil {
		return
	}
	first := t.first()
	e.like = e.found[first]
	id := e.memberID(t)
	if id == "" {
		id = derived(first.id, spanMember)
	}
	r := g.member(key.name, t)
	attrs := []attr{
		{keyMember, key.name}, {keyTurn, key.turn}, {keyOutcome, string(r.Outcome)},
		{keyVerdict, r.Verdict}, {keyMemberKind, r.Member.Kind},
		{keyOffset, time.Duration(r.Member.Offset).Seconds()},
		{keyBudgetLeft, time.Duration(r.Member.BudgetLeft).Seconds()},
	}
	if len(r.Member.After) > 0 {
		attrs = append(attrs, attr{keyAfter, r.Member.After})
	}
	end := g.base + time.Duration(g.r.Duration).Microseconds()
	if r.Outcome != OutcomeKilled {
		end = first.end // and what is below it
	}
	e.make(id, root, spanMember+key.name, max(first.start, g.base+2), end, attrs)
	from := len(e.made)
	e.runs(t, id)
	for _, sp := range e.made[from:] { // whose is whose
		if _, ok := protoAttributes(sp.GetAttributes())[keyMember]; !ok {
			sp.Attributes = append(sp.GetAttributes(),
				protoAttr(attr{keyMember, key.name}), protoAttr(attr{keyTurn, key.turn}))
		}
	}
}

// first is the span that begins first, of which there is one at least.
func (t *readTrace) first() *readSpan {
	all := slices.Collect(maps.Values(t.spans))
	sortSpans(all)
	return all[0]
}

// memberID is the id of a member's own span that is missing, as what is below it
// says: a server's root, or another's phases.
func (e *ending) memberID(t *readTrace) string {
	for _, id := range e.missing(t) {
		for _, s := range t.children[id] {
			if s.name == spanRoot || s.isPhase() && s.text(keyMember) != "" && len(t.shutdowns()) == 0 {
				return id
			}
		}
	}
	return ""
}
