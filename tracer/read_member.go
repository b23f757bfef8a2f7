// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"
)

// readMember is a member's report and its place among the others.
type readMember struct {
	report *Report
	turn   int
}

// member makes the report of a member of its spans. One whose stop was over has a
// span of its own; a grpc server has what begun server has.
func (g *readGroup) member(name string, t *readTrace) *Report {
	var own, begun *readSpan
	for _, s := range t.spans {
		if strings.HasPrefix(s.name, spanMember) && s.text(keyOutcome) != "" {
			own = s
		}
		if s.text(keyMemberKind) != "" && (begun == nil || s.start < begun.start) {
			begun = s
		}
	}
	servers := t.servers()
	var r *Report
	switch {
	case len(servers) > 0:
		r = servers[0]
	case own != nil:
		r = t.foreign(own, g.base+own.duration(keyOffset).Microseconds())
	default:
		r = t.unfinished(g.r)
	}
	if own != nil {
		begun = own
		r.Outcome, r.Verdict = Outcome(own.text(keyOutcome)), own.text(keyVerdict)
	}
	if begun == nil { // none of its spans says more than its name
		r.Member = &MemberReport{Name: name, Offset: Duration(r.Start.Sub(g.r.Start))}
		return r
	}
	r.Member = begun.member(name)
	return r
}

// member is what a member's span says of it.
func (s *readSpan) member(name string) *MemberReport {
	return &MemberReport{
		Name: name, Kind: s.text(keyMemberKind), After: s.list(keyAfter),
		Offset: Duration(s.duration(keyOffset)), BudgetLeft: Duration(s.duration(keyBudgetLeft)),
		Forced: s.flag(keyForced), Error: s.text(keyMemberErr),
		Idle: s.number(keyHTTP + "idle"), Active: s.number(keyHTTP + "active"),
		Cut: s.number(keyHTTP + "cut"), Hijacked: s.number(keyHTTP + "hijacked"),
	}
}

// foreign makes the report of a member that is no grpc server, and whose stop began
// at base.
func (t *readTrace) foreign(own *readSpan, base int64) *Report {
	b := t.builder(own, clampTime(base))
	b.r.Duration = b.at(own.end)
	b.r.Phases = []PhaseReport{}
	for _, s := range t.below(own.id) {
		if s.isPhase() {
			b.r.Phases = append(b.r.Phases, b.phase(s))
		}
	}
	return b.r
}

// unfinished makes the report of a member of which only the group's checkpoints
// have told.
func (t *readTrace) unfinished(group *Report) *Report {
	r := &Report{
		Version: 1, Service: group.Service, TraceID: group.TraceID, Outcome: OutcomeKilled,
		Phases: []PhaseReport{},
	}
	var first, last *readSpan
	for _, s := range t.spans {
		if first == nil || s.start < first.start {
			first = s
		}
		if last == nil || s.end > last.end {
			last = s
		}
	}
	r.Start = time.UnixMicro(first.start).UTC()
	r.Duration = Duration(since(first.start, last.end))
	r.Verdict = "killed " + fmt.Sprintf(afterAtLeast, r.Duration)
	if v := last.text(keyVerdict); v != "" {
		r.Verdict += ": " + v
	}
	return r
}

// groupVerdictKilled says what a group waited for whose end never came: for the
// member that had not ended and had taken longest.
func groupVerdictKilled(r *Report) string {
	return r.membersVerdict("killed "+fmt.Sprintf(afterAtLeast, r.Duration)+": ", OutcomeKilled)
}

// membersVerdict is the same behind some words, and of members with that outcome.
func (r *Report) membersVerdict(s string, outcome Outcome) string {
	main, more := r.mainMember(), -1
	for _, m := range r.Members {
		if m.Outcome == outcome {
			more++
		}
	}
	switch {
	case len(r.Members) == 0:
		return s + toldNothing
	case main == nil:
		return s + "what it told of had ended"
	}
	return s + heldBy(main.Member.Name, main.Verdict, more)
}
