// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
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
	keyBudgetLeft = "shutdown.member.budget_left" // seconds
	keyMemberErr  = "shutdown.member.error"
	keyMembers    = "shutdown.members"
	keyCause      = "shutdown.cause"
	keyHTTP       = "shutdown.http." // idle, active, cut, hijacked
)

// begin sends and logs that the group's stop has started.
func (g *Group) begin() {
	sp := g.spans.span(g.spans.started, trace.SpanID{}, spanGroupStarted, bounds{tick, 2 * tick}, nil)
	sp.Links = g.spans.origin.links
	g.session.Emit(sp)
	g.logStarted()
}

// sendMember sends the bar of a member, and its phases if it is no grpc server.
func (g *Group) sendMember(m *Member) {
	g.mu.Lock()
	r := m.reportLocked(g.now())
	tl, views := m.timeline(g.now())
	start, end := m.start, min(m.end, g.now())
	own, ownEnd := m.report != nil, m.spansEnd
	g.mu.Unlock()
	b := bounds{start: max(start, 2*tick)} // the root begins before it
	if !own {
		below := newSpans(g.session, g.spans.wall.Add(start), g.spans.origin)
		below.traceID, below.root, below.phaseEnd = g.spans.traceID, m.span, b.start-start-tick
		below.advance(tl, views)
		g.spans.missed += below.missed
		ownEnd = start + below.phaseEnd
	}
	b.end = max(end, b.start+tick, ownEnd)
	g.spans.phaseEnd = max(g.spans.phaseEnd, b.end)
	sp := g.spans.span(m.span, g.spans.root, spanMember+r.Member.Name, b, memberAttrs(r))
	if r.Outcome == OutcomeForced {
		sp.ErrorType, sp.StatusMessage = string(OutcomeForced), r.Verdict
	}
	g.session.Emit(sp)
}

func memberAttrs(r *Report) []attr {
	m := r.Member
	attrs := []attr{
		{keyMember, m.Name}, {keyMemberKind, m.Kind}, {keyOutcome, string(r.Outcome)},
		{keyVerdict, r.Verdict}, {keyBudgetLeft, time.Duration(m.BudgetLeft).Seconds()},
	}
	if len(m.After) > 0 {
		attrs = append(attrs, attr{keyAfter, m.After})
	}
	attrs = append(attrs, said(attr{keyMemberErr, m.Error})...)
	if m.Kind == memberHTTP {
		attrs = append(attrs, attr{keyHTTP + "idle", m.Idle}, attr{keyHTTP + "active", m.Active},
			attr{keyHTTP + "cut", m.Cut}, attr{keyHTTP + "hijacked", m.Hijacked})
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
	first := held[0].reportLocked(now)
	verdict := fmt.Sprintf("%s: %s", first.Member.Name, first.Verdict)
	if n := len(held) - 1; n > 0 {
		verdict += fmt.Sprintf("; %s more", amount(n, "member"))
	}
	g.mu.Unlock()

	b := bounds{g.spans.last, max(g.spans.last+tick, now)}
	g.spans.last = b.end + tick
	id := newSpanID()
	g.spans.emit(id, g.spans.started, spanCheckpoint+spanGroup, b, []attr{
		{keyElapsed, now.Seconds()}, {keyVerdict, verdict},
	})
	for _, m := range held[:min(len(held), maxCheckpointHolders)] {
		mb := bounds{min(max(m.start, b.start), b.end-tick), b.end}
		g.spans.emit(newSpanID(), id, spanMember+m.info.Name, mb, []attr{
			{keyMember, m.info.Name}, {keyMemberKind, m.info.Kind}, {keyOpen, true},
		})
	}
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
