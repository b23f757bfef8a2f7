// SPDX-License-Identifier: Apache-2.0

package compare

import (
	"fmt"
	"slices"

	"github.com/gracetrace/gracetrace/tracer"
)

// entry is a phase of one shutdown or, without a name, a member of a group.
type entry struct {
	member  string
	name    tracer.Phase
	took    tracer.Duration
	culprit *tracer.Holder
	below   bool
}

// entries are a shutdown's phases; a group's are its members, each before its own.
func entries(r *tracer.Report) (all []entry) {
	for _, m := range members(r) {
		all = append(all, entry{member: m.name, took: m.Duration, below: len(m.Phases) > 0})
		all = append(all, phasesOf(m.name, m.Report)...)
	}
	return append(all, phasesOf("", r)...)
}

func phasesOf(member string, r *tracer.Report) (all []entry) {
	for i := range r.Phases {
		p := &r.Phases[i]
		all = append(all, entry{member: member, name: p.Name, took: p.Duration, culprit: p.Culprit})
	}
	return all
}

// named is a member, with what it is told apart by: its name and, of an HTTP server
// and the grpc server behind it, its kind.
type named struct {
	*tracer.Report
	name string
}

func members(r *tracer.Report) (all []named) {
	count := make(map[string]int)
	for _, m := range r.Members {
		count[m.Member.Name]++
	}
	for _, m := range r.Members {
		name := m.Member.Name
		if count[name] > 1 {
			name = fmt.Sprintf("%s (%s)", name, m.Member.Kind)
		}
		all = append(all, named{m, name})
	}
	return all
}

// inBoth calls f for the members that both groups have.
func inBoth(a, b *tracer.Report, f func(name string, a, b *tracer.Report)) {
	of := make(map[string]*tracer.Report)
	for _, m := range members(a) {
		of[m.name] = m.Report
	}
	for _, m := range members(b) {
		if was := of[m.name]; was != nil {
			f(m.name, was, m.Report)
		}
	}
}

// onlyOneHas reports whether a member is only in one of the two groups.
func (c *Comparison) onlyOneHas(member string) bool {
	return member != "" && slices.ContainsFunc(c.Phases, func(p Phase) bool {
		return p.Member == member && p.Name == "" && (p.A == nil || p.B == nil)
	})
}

// outcomes compares how members ended.
func (c *Comparison) outcomes(a, b *tracer.Report) {
	inBoth(a, b, func(name string, a, b *tracer.Report) {
		var text string
		switch {
		case a.Outcome != b.Outcome:
			text = fmt.Sprintf("%s was %s instead of %s", name, b.Outcome, a.Outcome)
		case b.Outcome == tracer.OutcomeForced || a.Member.Error == b.Member.Error:
			return // an error says that it was forced
		case b.Member.Error == "":
			text = fmt.Sprintf("%s no longer failed: %s", name, a.Member.Error)
		default:
			text = fmt.Sprintf("%s failed: %s", name, b.Member.Error)
		}
		c.Changes = append(c.Changes, Change{Kind: KindOutcome, Member: name, Text: text})
	})
}

// clientsOfAll compares what clients met, of a group by member. The connections that
// were refused are counted by each member, in the whole network namespace.
func (c *Comparison) clientsOfAll(a, b *tracer.Report) {
	of := func(r *tracer.Report) *tracer.Clients {
		all := r.Clients
		for _, m := range r.Members {
			all.Refused = max(all.Refused, m.Clients.Refused)
		}
		return &all
	}
	c.clients("", of(a), of(b))
	inBoth(a, b, func(name string, a, b *tracer.Report) {
		was, is := a.Clients, b.Clients
		was.Refused, is.Refused = 0, 0
		c.clients(name, &was, &is)
	})
}

// label is how a phase is called, of a group with its member.
func (p *Phase) label() string {
	switch {
	case p.Member == "":
		return string(p.Name)
	case p.Name == "":
		return "member " + p.Member
	}
	return p.Member + ": " + string(p.Name)
}
