// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"slices"
	"strings"
)

// readGroup is what of a trace belongs to one group.
type readGroup struct {
	rebuilder
	root    *readSpan  // nil: its end never came
	of      *readTrace // its spans but its members'
	members map[memberKey]*readTrace
}

// memberKey tells members apart: two of the same name have their turns one after
// the other.
type memberKey struct {
	name string
	turn int
}

// groups takes the groups out of a trace, and returns what is left.
func (t *readTrace) groups() (groups []*readGroup, rest *readTrace) {
	var roots, started []*readSpan
	for _, s := range t.spans {
		switch {
		case s.name == spanGroup && s.text(keyOutcome) != "" && s.attrs[keyMembers] != nil:
			roots = append(roots, s)
		case s.name == spanGroupStarted && s.text(keySource) == sourceGroup:
			started = append(started, s)
		}
	}
	if len(roots)+len(started) == 0 {
		return nil, t
	}
	sortSpans(roots)
	sortSpans(started)
	for _, root := range roots {
		var begun *readSpan
		if i := nearest(started, root.process, root.start+1); i >= 0 {
			begun = started[i]
			started = slices.Delete(started, i, i+1)
		}
		groups = append(groups, t.group(root, begun, root.start))
	}
	for _, s := range started {
		groups = append(groups, t.group(nil, s, s.start-1))
	}
	rest = newReadTrace(t.id)
	for _, s := range t.spans {
		if g := t.groupOf(s, groups); g != nil {
			g.add(s)
		} else {
			rest.add(s)
		}
	}
	return groups, rest
}

func (t *readTrace) group(root, started *readSpan, base int64) *readGroup {
	of := newReadTrace(t.id)
	g := &readGroup{
		rebuilder: *of.builder(cmp.Or(root, started), base), root: root, of: of,
		members: make(map[memberKey]*readTrace),
	}
	g.started = started
	return g
}

// maxClimb bounds the way from a span to the one above all; ours are nested less
// than ten deep.
const maxClimb = 64

// groupOf is the group that a span belongs to: the one that it is below or, of a
// member's span, the last that began before it.
func (t *readTrace) groupOf(s *readSpan, groups []*readGroup) (found *readGroup) {
	top := s
	for range maxClimb {
		if t.spans[top.parent] == nil {
			break
		}
		top = t.spans[top.parent]
	}
	for _, g := range groups {
		switch {
		case top == g.root, top == g.started:
			return g
		case s.text(keyMember) == "" || s.service != g.r.Service || s.process != g.process:
		case found == nil || g.base <= s.start && g.base > found.base:
			found = g
		}
	}
	return found
}

// add takes a span in, once for the group and once for a member.
func (g *readGroup) add(s *readSpan) {
	key := memberKey{s.text(keyMember), s.number(keyTurn)}
	if key.name == "" {
		g.of.add(s)
		return
	}
	if g.members[key] == nil {
		g.members[key] = newReadTrace(g.of.id)
	}
	g.members[key].add(s)
}

func (g *readGroup) report() *Report {
	r := g.r
	r.Spans = SpanCount{Sent: len(g.of.spans)}
	r.Phases = []PhaseReport{}
	r.Checkpoints, _ = g.checkpoints()
	var members []*readMember
	for key, t := range g.members {
		m := &readMember{g.member(key.name, t), key.turn}
		members = append(members, m)
		r.Spans.Sent += len(t.spans)
		r.Spans.Summarised += m.report.Spans.Summarised
		m.report.Spans.Sent = 0 // the group's has them
	}
	slices.SortFunc(members, func(a, b *readMember) int {
		x, y := a.report.Member, b.report.Member
		return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(x.Offset, y.Offset),
			strings.Compare(x.Name, y.Name))
	})
	for _, m := range members {
		r.Members = append(r.Members, m.report)
	}
	if g.root == nil {
		g.killed()
		return r
	}
	r.Duration = g.at(g.root.end)
	r.Outcome, r.Verdict = Outcome(g.root.text(keyOutcome)), g.root.text(keyVerdict)
	r.RPCsCut, r.Outlived = g.root.byMethod(keyRPCsCut), g.root.byMethod(keyOutlived)
	r.Spans.Lost = g.root.lostSpans()
	return r
}

// killed completes the report of a group whose end never came.
func (g *readGroup) killed() {
	r := g.r
	r.Outcome = OutcomeKilled
	r.Notes = append(r.Notes, Note{Kind: noteMissing, Text: notEnded})
	r.Duration = g.at(g.started.end)
	for _, s := range g.of.spans {
		r.Duration = max(r.Duration, g.at(s.end))
	}
	for _, t := range g.members {
		for _, s := range t.spans {
			r.Duration = max(r.Duration, g.at(s.end))
		}
	}
	for _, m := range r.Members {
		r.RPCsCut, r.Outlived = added(r.RPCsCut, m.RPCsCut), added(r.Outlived, m.Outlived)
		m.Notes = slices.DeleteFunc(m.Notes, func(n Note) bool { return n.Text == notEnded })
	}
	r.Verdict = groupVerdictKilled(r)
}
