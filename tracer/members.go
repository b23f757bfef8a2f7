// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/column"
)

// What a line says of members at most: columns of a name, and how many names.
const (
	maxMemberName  = 40
	maxMemberNames = 3
)

// each are the members of a group. A report that was read from a file may have any.
func (r *Report) each() []*Report {
	return slices.DeleteFunc(slices.Clone(r.Members), func(m *Report) bool { return m == nil })
}

// info is what is known of a member; of any other report nothing.
func (r *Report) info() MemberReport {
	if r.Member == nil {
		return MemberReport{}
	}
	return *r.Member
}

// namedMember is a member with its name as it stands in a line.
type namedMember struct {
	*Report
	name string
}

// named are the members of a group. Of two with the same name, an HTTP server and the
// grpc server behind it, the name tells the kind.
func (r *Report) named() (all []namedMember) {
	members := r.each()
	count := make(map[string]int, len(members))
	for _, m := range members {
		count[m.info().Name]++
	}
	for _, m := range members {
		info := m.info()
		name := column.CutMiddle(shown(cmp.Or(info.Name, "member")), maxMemberName)
		if count[info.Name] > 1 && info.Kind != "" {
			name += " (" + column.CutMiddle(shown(info.Kind), maxMemberName) + ")"
		}
		all = append(all, namedMember{m, name})
	}
	return all
}

// fewNames are some members' in a line.
func fewNames(all []string) string {
	s := strings.Join(all[:min(len(all), maxMemberNames)], ", ")
	if more := len(all) - maxMemberNames; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// by is something that members of a group say; nobody in particular if there are no
// names.
type by[T any] struct {
	who  []string
	what T
}

// words puts the names before a text.
func (b *by[T]) words(text string) string {
	if len(b.who) == 0 {
		return text
	}
	return fewNames(b.who) + ": " + text
}

// gather is what a report says and then what the members of a group say. Of what
// several say the same it is said once.
func gather[T comparable](r *Report, what func(*Report) []T) (all []by[T]) {
	for _, one := range what(r) {
		all = append(all, by[T]{what: one})
	}
	at := make(map[T]int)
	for _, m := range r.named() {
		for _, one := range what(m.Report) {
			i, again := at[one]
			if !again {
				i = len(all)
				all, at[one] = append(all, by[T]{what: one}), i
			}
			if who := m.name; !slices.Contains(all[i].who, who) {
				all[i].who = append(all[i].who, who)
			}
		}
	}
	return all
}

func (r *Report) allNotes() []by[Note] {
	return gather(r, func(r *Report) []Note { return r.Notes })
}

// allClients is what clients met. All members count the same refused connections.
func (r *Report) allClients() (lines []string) {
	whole := *r
	if len(r.Members) > 0 {
		whole.RPCsCut = nil // which the members say
	}
	for _, m := range r.each() {
		whole.Clients.Refused = max(whole.Clients.Refused, m.Clients.Refused)
	}
	for _, line := range gather(&whole, func(m *Report) []string {
		if m != &whole {
			own := *m
			own.Clients.Refused = 0
			m = &own
		}
		return clientLines(m)
	}) {
		lines = append(lines, line.words(line.what))
	}
	return lines
}

// allStacks are the report's stacks and those of the members, which count from the
// group's start.
func (r *Report) allStacks() (all []by[Stack]) {
	for _, s := range r.Stacks {
		all = append(all, by[Stack]{what: s})
	}
	for _, m := range r.named() {
		for _, s := range m.Stacks {
			s.Offset += m.info().Offset
			all = append(all, by[Stack]{[]string{m.name}, s})
		}
	}
	return all
}

// memberLines are the verdicts on members of which the group's does not tell.
func memberLines(r *Report) (lines []string) {
	main := r.mainMember()
	for _, m := range r.named() {
		line, e := m.Verdict, m.info().Error
		told := m.Report == main && strings.Contains(r.Verdict, line) || quiet(line)
		if e != "" && m.Outcome != OutcomeForced && !strings.Contains(line+r.Verdict, e) {
			line, told = fmt.Sprintf("%s; it failed: %s", line, e), false
		}
		if !told {
			lines = append(lines, m.name+": "+line)
		}
	}
	return lines
}

// quiet reports whether a verdict says no more than a bar does.
func quiet(verdict string) bool {
	rest, graceful := strings.CutPrefix(verdict, string(OutcomeGraceful)+" in ")
	return graceful && (!strings.Contains(rest, ",") || strings.HasSuffix(rest, ", nothing held it"))
}

// memberNote is what stands behind a member's bar: how it ended, what was left of
// the budget at its turn, whom it had waited for, and an HTTP server's connections.
func memberNote(m *Report) string {
	note := outcomeNote(m)
	if m.Member == nil {
		return note
	}
	if m.Member.Error != "" && m.Outcome == OutcomeGraceful {
		note = "failed"
	}
	words := append([]string{note}, m.Member.turn()...)
	if conns := m.Member.connections(); conns != "" {
		words = append(words, "connections: "+conns)
	}
	return strings.Join(words, ", ")
}

// turn is when a member's turn came.
func (m *MemberReport) turn() []string {
	left := "nothing left"
	if m.BudgetLeft > 0 {
		left = fmt.Sprintf("%s left", Duration(onAxis(m.BudgetLeft)))
	}
	words := []string{left}
	if len(m.After) > 0 {
		before := slices.Clone(m.After[:min(len(m.After), maxMemberNames+1)])
		for i := range before {
			before[i] = column.CutMiddle(shown(before[i]), maxMemberName)
		}
		words = append(words, "after "+fewNames(before))
	}
	return words
}

// connections are those of an HTTP server.
func (m *MemberReport) connections() string {
	var words []string
	for _, n := range []struct {
		count int
		what  string
	}{{m.Idle, "idle"}, {m.Active, "active"}, {m.Cut, "cut"}, {m.Hijacked, "hijacked"}} {
		if n.count > 0 {
			words = append(words, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	return strings.Join(words, ", ")
}

// offset is the start of a member on the group's axis.
func (r *Report) offset() time.Duration { return time.Duration(r.info().Offset) }
