// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

const (
	// maxPageMembers bounds the members of a group on a page, maxGroupPhases the
	// phases of them all, and maxGroupRows the rows of its timeline.
	maxPageMembers, maxGroupPhases, maxGroupRows = 24, 64, 750

	classMember = "member"
)

// htmlMember is a member of a group with what there is to know besides its rows.
type htmlMember struct {
	Name, Took, Verdict  string
	Outcome, OutcomeText string
	Facts                []htmlFact
	Phases               []htmlPhase
	Main                 bool // the one to look at
}

// pageMember is a member with those of its phases that a page shows.
type pageMember struct {
	namedMember
	phases []PhaseReport
	main   bool
}

// pageMembers are those of a group that a page shows. Every one has its share of the
// phases.
func (r *Report) pageMembers() (all []pageMember) {
	main, members := r.mainMember(), r.named()
	members = members[:min(len(members), maxPageMembers)]
	left := maxGroupPhases
	for i, m := range members {
		n := min(len(m.Phases), maxPhases, left/(len(members)-i))
		all = append(all, pageMember{m, m.Phases[:n], m.Report == main})
		left -= n
	}
	return all
}

// members adds those of a group and what is below them.
func (w *rowWriter) members(members []pageMember) {
	w.level = 1
	for i, m := range members {
		share := (maxGroupRows - len(w.rows)) / (len(members) - i)
		w.shift, w.stacks, w.ended = onAxis(Duration(m.offset())), len(m.Stacks), m.Outcome
		main := -1
		if m.main {
			main = mainPhase(m.phases)
		}
		at := w.member(m)
		w.phases(m.phases, main, share-1)
		rows := w.rows[at:]
		n := time.Duration(len(members))
		rows[0].Lane, rows[0].Y = percent(1, n), percent(time.Duration(i), n)
		rows[0].Parent = len(rows) > 1
		rows[0].Folded = rows[0].Parent && len(w.rows) > someRows && !m.main
		if m.main && main < 0 {
			rows[0].ID = "culprit"
		}
		w.before += len(m.Stacks)
	}
}

// member adds the row of a member alone.
func (w *rowWriter) member(m pageMember) int {
	row := htmlRow{
		Level: 1, Class: classMember, Name: clipLine(m.name, maxRowName),
		State: clipLine(m.info().Kind, maxRowState), Note: clipLine(memberNote(m.Report), maxRowNote),
		Culprit: m.main, Main: m.main,
	}
	if m.Outcome == OutcomeRunning {
		row.Open = stillOpen
	}
	return w.add(row, 0, m.Duration)
}

func (p *htmlPage) addMembers(r *Report) {
	members, phases := r.pageMembers(), 0
	for _, m := range members {
		one := htmlMember{
			Name: clipLine(m.name, maxRowName), Took: Duration(onAxis(m.Duration)).String(),
			Verdict: clipLine(cmp.Or(m.Verdict, "There is no verdict."), maxSoFarText),
			Outcome: m.Outcome.class(), OutcomeText: clipLine(string(m.Outcome), 40),
			Facts: memberFacts(m.Report), Main: m.main,
		}
		for i := range m.phases {
			one.Phases = append(one.Phases, m.phases[i].page())
		}
		p.Members = append(p.Members, one)
		phases += len(m.Phases) - len(m.phases)
	}
	p.missing(phases, "phase")
	p.missing(len(r.each())-len(members), "member")
}

// memberFacts is what there is to know of a member besides its verdict.
func memberFacts(m *Report) (facts []htmlFact) {
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, htmlFact{Label: label, Value: clipLine(value, maxRowNote)})
		}
	}
	info := m.info()
	add("Kind", info.Kind)
	add("Turn at", Duration(onAxis(info.Offset)).String())
	add("Budget left", Duration(onAxis(info.BudgetLeft)).String())
	if len(info.After) > 0 {
		add("After", fewNames(info.After[:min(len(info.After), maxMemberNames+1)]))
	}
	add("Connections", info.connections())
	add("Returned", info.Error)
	add("Call", m.Call)
	add("grpc-go", m.GRPC)
	return facts
}

// allCheckpoints is what was told, in the order of time, which counts from the
// group's start.
func (r *Report) allCheckpoints() (all []by[Checkpoint]) {
	members := r.named()
	teller := tellers(members)
	for _, c := range r.Checkpoints {
		name, verdict := teller(c.Verdict)
		one := by[Checkpoint]{what: c}
		if name != "" {
			one.who, one.what.Verdict = []string{name}, verdict
		}
		all = append(all, one)
	}
	for _, m := range members {
		for _, c := range m.Checkpoints {
			c.Offset = Duration(onAxis(c.Offset) + onAxis(Duration(m.offset())))
			all = append(all, by[Checkpoint]{[]string{m.name}, c})
		}
	}
	if len(members) > 0 {
		slices.SortStableFunc(all, func(a, b by[Checkpoint]) int {
			return cmp.Compare(a.what.Offset, b.what.Offset)
		})
	}
	return all
}

// groupTotal is the length of a group's axis.
func groupTotal(r *Report) time.Duration {
	total := time.Duration(0)
	for _, m := range r.each() {
		total = max(total, onAxis(Duration(m.offset()))+pageTotal(m))
	}
	return total
}

// ofGroup counts members.
func ofGroup(r *Report) string {
	if n := len(r.each()); n > 0 {
		return strconv.Itoa(n)
	}
	return ""
}
