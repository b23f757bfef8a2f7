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

// reportLocked makes the group's report of what is known by now. servers are what
// is known of the grpc servers that still stop. g.mu must be held.
func (g *Group) reportLocked(now time.Duration, servers map[*Member]*Report) *Report {
	r := &Report{
		Version: 1, Start: g.spans.wall, Duration: whole(now), Outcome: OutcomeGraceful,
		Phases: []PhaseReport{}, Checkpoints: slices.Clone(g.told), Spans: SpanCount{Summarised: g.missed},
	}
	g.t.sign(r, g.spans.traceID)
	for _, m := range g.members {
		mr := m.reportLocked(now, servers[m])
		if mr.Outcome == OutcomeForced {
			r.Outcome = OutcomeForced
		}
		r.RPCsCut = added(r.RPCsCut, mr.RPCsCut)
		r.Outlived = added(r.Outlived, mr.Outlived)
		r.Spans.Summarised += mr.Spans.Summarised
		r.Members = append(r.Members, mr)
	}
	r.Verdict = groupVerdict(r, g.cause)
	r.JaegerURL = g.jaegerURLLocked(r)
	return r
}

// jaegerURLLocked opens the trace at the culprit of the member that the verdict is
// about, or at the member. g.mu must be held.
func (g *Group) jaegerURLLocked(r *Report) string {
	if g.t.cfg.uiURL == "" {
		return ""
	}
	link := g.t.cfg.uiURL + "/trace/" + r.TraceID
	main := r.mainMember()
	switch i := slices.Index(r.Members, main); {
	case i < 0:
		return link
	case main.JaegerURL != "":
		return main.JaegerURL
	case g.members[i].end != never: // else its span has not been sent
		return link + "?uiFind=" + g.members[i].span.String()
	}
	return link
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

// reportLocked is the member's own. server is what is known of a grpc server's stop
// that is not over; nil: nothing. g.mu must be held.
func (m *Member) reportLocked(now time.Duration, server *Report) *Report {
	info := m.info
	if m.report != nil {
		server = m.report
	}
	if server != nil {
		r := *server
		r.Member = &info
		if r.Outcome == OutcomeRunning && m.end != never { // it was left behind
			r.Outcome = OutcomeForced
		}
		return &r
	}
	tl, views := m.timeline(now)
	var r *Report
	if len(views) > 0 {
		r = tl.report(views, m.g.spans.wall.Add(m.start))
		r.Call, r.Notes = "", nil // which are about grpc's
	} else {
		r = &Report{Version: 1, Outcome: OutcomeGraceful, Phases: []PhaseReport{}}
		r.Verdict = m.closeVerdict(tl)
		if m.end == never {
			r.Outcome = OutcomeRunning
		}
	}
	r.Member = &info
	m.g.t.sign(r, m.g.spans.traceID)
	r.Start, r.Duration = m.g.spans.wall.Add(m.start), whole(min(m.end, now)-m.start)
	if m.info.Forced {
		r.Outcome = OutcomeForced
	}
	return r
}

// closeVerdict is that of a member without phases.
func (m *Member) closeVerdict(tl *timeline) string {
	took, what := Duration(min(m.end, tl.now+m.start)-m.start), "stop"
	if m.info.Kind == memberClose {
		what = "Close"
	}
	switch {
	case m.end == never:
		return fmt.Sprintf("its %s has not returned for %s so far", what, took)
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
		open, end := given.Open, line.start+time.Duration(given.Held)
		if open && line.end == never { // up to now, which is later than that look
			end = never
		}
		if tl.place(&h, line, line.start, end) {
			h.Open = open
			hs = append(hs, h)
		}
	}
	slices.SortStableFunc(hs, func(a, b holder) int { return cmp.Compare(b.Held, a.Held) })
	return hs
}

// mainMember is the member that a group's verdict is about: the one whose own stop
// took longest, of those that ended as the group did if that was not gracefully:
// those that were forced, that still stop or that were killed. nil: nothing held the
// group.
func (r *Report) mainMember() (main *Report) {
	for _, m := range r.each() {
		if r.Outcome != OutcomeGraceful && m.Outcome != r.Outcome {
			continue
		}
		if main == nil || m.Duration > main.Duration {
			main = m
		}
	}
	if main != nil && time.Duration(main.Duration) < nothingHeld && r.Outcome == OutcomeGraceful {
		return nil
	}
	return main
}

// maxAlso bounds the members that a group's verdict names besides its main one.
const maxAlso = 5

// groupVerdict says in one line what the group waited for.
func groupVerdict(r *Report, cause string) string {
	main := r.mainMember()
	var s string
	switch {
	case len(r.Members) == 0:
		s = fmt.Sprintf("%s in %s, it had no members", r.Outcome, r.Duration)
	case main == nil:
		s = fmt.Sprintf("%s in %s, nothing held it", r.Outcome, r.Duration)
	case strings.HasPrefix(main.Verdict, string(OutcomeGraceful)+" in "): // nothing held it
		s = fmt.Sprintf("%s in %s, of which %s took %s", r.Outcome, r.Duration,
			main.Member.Name, main.Duration)
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
	if more := len(also) - maxAlso; more > 0 {
		also = append(also[:maxAlso], "and "+amount(more, "member")+" more")
	}
	if len(also) > 0 {
		s += "; " + strings.Join(also, ", ")
	}
	if cause != "" {
		s += "; it was stopped because " + cause
	}
	return s
}

// heldBy is a verdict on a group while a member and some more still stop.
func heldBy(name, verdict string, more int) string {
	s := fmt.Sprintf("%s: %s", name, verdict)
	if more > 0 {
		s += "; " + amount(more, "member") + " more"
	}
	return s
}
