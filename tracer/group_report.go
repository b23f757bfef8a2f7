// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MemberReport is what is known of a member of a group that stopped, besides what
// every Report has. Durations count from the group's start.
type MemberReport struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // grpc, http or close
	// After names the members whose stops came before.
	After []string `json:"after,omitempty"`
	// Offset is when its turn came, BudgetLeft what was left of the group's budget
	// then.
	Offset     Duration `json:"offset_us"`
	BudgetLeft Duration `json:"budget_left_us"`
	Forced     bool     `json:"forced,omitempty"` // it was not ready in time
	Error      string   `json:"error,omitempty"`  // what its stop returned
	// Idle and Active are the connections of an HTTP server at that time, Cut those
	// on which a request was cut, and Hijacked those that handlers had taken over
	// and that were still open when its stop was over.
	Idle     int `json:"idle,omitempty"`
	Active   int `json:"active,omitempty"`
	Cut      int `json:"cut,omitempty"`
	Hijacked int `json:"hijacked,omitempty"`
}

// Kinds of members.
const (
	memberGRPC  = "grpc"
	memberHTTP  = "http"
	memberClose = "close"
)

// reportLocked makes the group's report of what is known by now. g.mu must be held.
func (g *Group) reportLocked() *Report {
	now := g.now()
	r := &Report{
		Version: 1, Service: g.t.out.ServiceName(), TraceID: g.spans.traceID.String(),
		Start: g.spans.wall, Duration: whole(now), Outcome: OutcomeGraceful, Phases: []PhaseReport{},
		Checkpoints: slices.Clone(g.told), Spans: SpanCount{Summarised: g.spans.missed},
	}
	if base := g.t.cfg.uiURL; base != "" {
		r.JaegerURL = base + "/trace/" + r.TraceID
	}
	for _, m := range g.members {
		mr := m.reportLocked(now)
		if mr.Outcome == OutcomeForced {
			r.Outcome = OutcomeForced
		}
		r.RPCsCut = added(r.RPCsCut, mr.RPCsCut)
		r.Outlived = added(r.Outlived, mr.Outlived)
		r.Spans.Summarised += mr.Spans.Summarised
		r.Members = append(r.Members, mr)
	}
	r.Verdict = groupVerdict(r, g.cause)
	return r
}

func added(sum, more map[string]int) map[string]int {
	for k, n := range more {
		if sum == nil {
			sum = make(map[string]int)
		}
		sum[k] += n
	}
	return sum
}

// reportLocked is the member's own. g.mu must be held.
func (m *Member) reportLocked(now time.Duration) *Report {
	info := m.info
	if m.report != nil {
		r := *m.report
		r.Member = &info
		return &r
	}
	tl, views := m.timeline(now)
	var r *Report
	if len(views) > 0 {
		r = tl.report(views, m.g.spans.wall)
	} else {
		r = &Report{Version: 1, Outcome: OutcomeGraceful, Phases: []PhaseReport{}}
		r.Verdict = m.closeVerdict(tl)
		if m.end == never {
			r.Outcome = OutcomeRunning
		}
	}
	r.Service, r.TraceID, r.Member = m.g.t.out.ServiceName(), m.g.spans.traceID.String(), &info
	r.Start, r.Duration = m.g.spans.wall.Add(m.start), whole(min(m.end, now)-m.start)
	if m.info.Forced {
		r.Outcome = OutcomeForced
	}
	return r
}

// closeVerdict is that of a member without phases.
func (m *Member) closeVerdict(tl *timeline) string {
	took := Duration(min(m.end, tl.now+m.start) - m.start)
	switch {
	case m.end == never:
		return fmt.Sprintf("its Close has not returned for %s so far", took)
	case m.info.Forced:
		return fmt.Sprintf("forced after %s: %s", took, m.info.Error)
	case m.info.Error != "":
		return fmt.Sprintf("failed after %s: %s", took, m.info.Error)
	}
	return fmt.Sprintf("graceful in %s", took)
}

// timeline is that of a member that is no grpc server: its times count from its
// own start.
func (m *Member) timeline(now time.Duration) (*timeline, []phaseView) {
	tl := &timeline{
		graceful: true, foreign: true, now: min(m.end, now) - m.start, returned: never, forced: never,
	}
	tl.clients.refused, tl.clients.lastAccept, tl.clients.since = -1, never, never
	if m.end != never {
		tl.returned = tl.now
	}
	views := make([]phaseView, 0, len(m.phases))
	for i, p := range m.phases {
		line := phaseLine{p.phase, p.start - m.start, never}
		if p.end != never {
			line.end = p.end - m.start
		} else if m.end != never {
			line.end = tl.now
		}
		if p.phase == PhaseForcedStop {
			tl.forced = line.start
		}
		views = append(views, phaseView{phaseLine: line, holders: tl.given(i, line, p.holders)})
	}
	for i := range views {
		v := &views[i]
		v.culprit = tl.blame(v, tl.last(v.holders))
		v.mark()
	}
	return tl, views
}

// given are the holders that somebody else has seen.
func (tl *timeline) given(phase int, line phaseLine, list []Holder) (hs []holder) {
	for i, given := range list {
		h := holder{
			Holder: given, name: string(given.Kind), blame: -1,
			key: holderKey{given.Kind, uint64(i), strconv.Itoa(phase)},
		}
		open := given.Open
		if tl.place(&h, line, line.start, line.start+time.Duration(given.Held)) {
			h.Open = open
			hs = append(hs, h)
		}
	}
	slices.SortStableFunc(hs, func(a, b holder) int { return cmp.Compare(b.Held, a.Held) })
	return hs
}

// groupVerdict says in one line what the group waited for: the member whose own
// stop took longest.
func groupVerdict(r *Report, cause string) string {
	var main *Report
	for _, m := range r.Members {
		if main == nil || m.Duration > main.Duration {
			main = m
		}
	}
	var s string
	switch {
	case main == nil:
		s = fmt.Sprintf("%s in %s, it had no members", r.Outcome, r.Duration)
	case time.Duration(main.Duration) < nothingHeld && r.Outcome == OutcomeGraceful:
		s = fmt.Sprintf("%s in %s, nothing held it", r.Outcome, r.Duration)
	default:
		s = fmt.Sprintf("%s took %s of %s: %s", main.Member.Name, main.Duration, r.Duration, main.Verdict)
	}
	var also []string
	for _, m := range r.Members {
		if m == main {
			continue
		}
		switch {
		case m.Outcome == OutcomeForced:
			also = append(also, m.Member.Name+" was forced")
		case m.Member.Error != "":
			also = append(also, m.Member.Name+" failed: "+m.Member.Error)
		}
	}
	if len(also) > 0 {
		s += "; " + strings.Join(also, ", ")
	}
	if cause != "" {
		s += "; it was stopped because " + cause
	}
	return s
}
