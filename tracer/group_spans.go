// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Names of a group's spans.
const (
	spanGroup        = "shutdown"
	spanGroupStarted = "shutdown started"
	spanMember       = "member " // and its name, which the application has chosen
)

// Attribute keys of a group's spans.
const (
	keyMember     = "shutdown.member"
	keyMemberKind = "shutdown.member.kind"
	keyAfter      = "shutdown.member.after"
	keyTurn       = "shutdown.member.turn"        // from 1
	keyOffset     = "shutdown.member.offset"      // seconds, of its turn since the group's start
	keyBudgetLeft = "shutdown.member.budget_left" // seconds
	keyForced     = "shutdown.member.forced"
	keyMemberErr  = "shutdown.member.error"
	keyMembers    = "shutdown.members" // how many
	keyCause      = "shutdown.cause"
	keyHTTP       = "shutdown.http." // idle, active, cut, hijacked
)

// sourceGroup is keySource of the span that says a group's stop has started.
const sourceGroup = "group"

// begin sends that the group's stop has started.
func (g *Group) begin() {
	sp := g.spans.span(g.spans.started, trace.SpanID{}, spanGroupStarted, bounds{tick, 2 * tick},
		append([]attr{{keySource, sourceGroup}}, g.spans.origin.attrs()...))
	sp.Links = g.spans.origin.links
	g.session.Emit(sp)
}

// sendEnded sends the members whose stops are over.
func (g *Group) sendEnded() {
	now := g.now()
	var ended []*Member
	var reports []*Report
	g.mu.Lock()
	for _, m := range g.members {
		if !m.sent && m.end != never && (m.server == nil || m.report != nil) {
			m.sent = true
			ended, reports = append(ended, m), append(reports, m.reportLocked(now, nil))
		}
	}
	g.mu.Unlock()
	for i, m := range ended {
		g.sendMember(m, reports[i])
	}
}

// sendMember sends the bar of a member, and its phases if it is no grpc server.
func (g *Group) sendMember(m *Member, r *Report) {
	g.mu.Lock()
	tl, views := m.timeline(g.now())
	start, end := m.start, min(m.end, g.now())
	own, ownEnd := m.report != nil, m.spansEnd
	attrs := m.attrs(r)
	g.mu.Unlock()
	b := bounds{start: max(start, 2*tick)} // the root begins before it
	if !own {
		below := newSpans(g.session, g.spans.wall.Add(start), g.spans.origin)
		below.traceID, below.root, below.phaseEnd = g.spans.traceID, m.span, b.start-start-tick
		below.member, below.mine = m.which(), g.spans.mine
		below.advance(tl, views)
		g.mu.Lock()
		g.missed += below.missed
		g.mu.Unlock()
		ownEnd = start + below.phaseEnd
	}
	b.end = max(end, b.start+tick, ownEnd)
	g.spans.phaseEnd = max(g.spans.phaseEnd, b.end)
	sp := g.spans.span(m.span, g.spans.root, spanMember+r.Member.Name, b, attrs)
	if r.Outcome == OutcomeForced {
		sp.ErrorType, sp.StatusMessage = string(OutcomeForced), r.Verdict
	}
	g.session.Emit(sp)
}

// attrs are those of the member's own span. g.mu must be held.
func (m *Member) attrs(r *Report) []attr {
	attrs := append(m.which(), attr{keyOutcome, string(r.Outcome)}, attr{keyVerdict, r.Verdict})
	attrs = append(attrs, m.begun()...)
	attrs = append(attrs, said(attr{keyMemberErr, m.info.Error})...)
	if m.info.Forced {
		attrs = append(attrs, attr{keyForced, true})
	}
	if m.info.Kind == memberHTTP {
		attrs = append(attrs, attr{keyHTTP + "idle", m.info.Idle}, attr{keyHTTP + "active", m.info.Active},
			attr{keyHTTP + "cut", m.info.Cut}, attr{keyHTTP + "hijacked", m.info.Hijacked})
	}
	return attrs
}

// which are on every span of the member's: two may have the same name, where an HTTP
// server serves a grpc server.
func (m *Member) which() []attr { return []attr{{keyMember, m.info.Name}, {keyTurn, m.turn}} }

// begun are what else is known of a member from the beginning of its stop.
func (m *Member) begun() []attr {
	attrs := []attr{
		{keyMemberKind, m.info.Kind},
		{keyOffset, time.Duration(m.info.Offset).Seconds()},
		{keyBudgetLeft, time.Duration(m.info.BudgetLeft).Seconds()},
	}
	if len(m.info.After) > 0 {
		attrs = append(attrs, attr{keyAfter, m.info.After})
	}
	return attrs
}

// sendRoot sends the root, the last of a group's spans.
func (g *Group) sendRoot(r *Report) {
	attrs := []attr{
		{keyOutcome, string(r.Outcome)}, {keyVerdict, r.Verdict}, {keyMembers, len(r.Members)},
	}
	attrs = append(attrs, byMethod(keyRPCsCut, r.RPCsCut)...)
	attrs = append(attrs, byMethod(keyOutlived, r.Outlived)...)
	attrs = append(attrs, lostAttrs(g.session.Lost())...)
	g.mu.Lock()
	attrs = append(attrs, said(attr{keyCause, g.cause})...)
	g.mu.Unlock()
	end := max(time.Duration(r.Duration), g.spans.phaseEnd+tick)
	sp := g.spans.span(g.spans.root, trace.SpanID{}, spanGroup, bounds{0, end}, attrs)
	sp.Links, sp.RemoteParent = g.spans.origin.links, g.spans.origin.parent
	if r.Outcome == OutcomeForced {
		sp.ErrorType, sp.StatusMessage = string(OutcomeForced), r.Verdict
	}
	g.session.Emit(sp)
}

// checkpoint tells which members hold the group that do not tell it themselves.
func (g *Group) checkpoint() {
	g.look()
	now := g.now()
	g.mu.Lock()
	var held []*Member
	for _, m := range g.members {
		if m.end == never && m.info.Kind != memberGRPC {
			held = append(held, m)
		}
	}
	if len(held) == 0 {
		g.spans.last = now + tick
		g.mu.Unlock()
		return
	}
	held, more := held[:min(len(held), maxCheckpointHolders)], len(held)-1
	below := make([][]attr, len(held))
	var verdict string
	for i, m := range held {
		so := m.reportLocked(now, nil).Verdict
		if i == 0 {
			verdict = heldBy(m.info.Name, so, more)
		}
		below[i] = slices.Concat(m.which(), []attr{{keyVerdict, so}, {keyOpen, true}}, m.begun())
	}
	g.mu.Unlock()

	b := bounds{g.spans.last, max(g.spans.last+tick, now)}
	g.spans.last = b.end + tick
	id := newSpanID()
	g.session.Together(func() {
		g.spans.emit(id, g.spans.started, spanCheckpoint+spanGroup, b, []attr{
			{keyElapsed, now.Seconds()}, {keyVerdict, verdict},
		})
		for i, m := range held {
			mb := bounds{min(max(m.start, b.start), b.end-tick), b.end}
			g.spans.emit(newSpanID(), id, spanMember+m.info.Name, mb, below[i])
		}
	})
	g.mu.Lock()
	g.told = append(g.told, Checkpoint{Offset: whole(now), Verdict: verdict})
	if len(g.told) > maxCheckpoints {
		g.told = slices.Delete(g.told, maxCheckpoints/2, maxCheckpoints/2+1)
	}
	g.mu.Unlock()
	g.logProgress(now, verdict)
}

func (g *Group) log(level slog.Level, msg string, args ...any) {
	logTo(g.t.cfg.log, g.spans.traceID, level, msg, args...)
}
