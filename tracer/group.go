// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/exporter"
)

// Group is the stop of several members of one process, in one trace and with one
// report. Package server makes it; its methods are safe for concurrent use.
type Group struct {
	t       *Tracer
	start   time.Time
	budget  time.Duration
	session *exporter.Session
	spans   *spans // of the root and what is below it but the servers' own

	wake    chan struct{} // capacity 1: a member may have ended
	stop    chan struct{}
	stopped chan struct{}
	finish  sync.Once

	mu      sync.Mutex // guards following
	members []*Member  // in the order in which their stops began
	cause   string
	told    []Checkpoint
	missed  int // holders without a span, of members that are no grpc servers
	result  *Report
}

// BeginGroup is called when a group begins to stop. budget is from now to the
// deadline.
func (t *Tracer) BeginGroup(budget time.Duration) *Group {
	g := &Group{
		t: t, start: time.Now(), budget: budget, session: t.out.Open(),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	g.spans = newSpans(g.session, g.start.Truncate(tick), t.cfg.origin)
	t.live.began(g)
	guard(t.cfg.log, g.begin) // before what the members tell of themselves
	go g.run()
	return g
}

// Because says which member made the group stop, and why.
func (g *Group) Because(cause string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause == "" {
		g.cause = clean(cause)
	}
}

// Member is the stop of one member of a [Group].
type Member struct {
	g    *Group
	span trace.SpanID
	turn int // from 1

	// Guarded by g.mu.

	// Of a grpc server: its stop, and when that is over its report, and where its
	// spans end.
	server   *Shutdown
	report   *Report
	spansEnd time.Duration

	info       MemberReport
	sent       bool
	start, end time.Duration // from the group's start; end is never until it is over
	phases     []memberPhase
}

// memberPhase is a phase of a member that is no grpc server.
type memberPhase struct {
	phaseLine
	look    func() []Holder // who holds it; nil: that is not known
	holders []Holder        // at the last look
}

// Begin begins the stop of a member. info has its name, its kind, what is left of
// the budget, and whose turn was before. A grpc server's is then told by
// [Call.Member]; of another the member is told its phases.
func (g *Group) Begin(info MemberReport) *Member {
	m := &Member{g: g, span: newSpanID(), info: info, start: g.now(), end: never}
	m.info.Name, m.info.Offset = clean(info.Name), whole(m.start)
	m.info.After = nil
	for _, name := range info.After {
		m.info.After = append(m.info.After, clean(name))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.members = append(g.members, m)
	m.turn = len(g.members)
	return m
}

func (g *Group) now() time.Duration { return time.Since(g.start).Truncate(tick) }

// Phase begins a phase of a member that is no grpc server. They do not overlap.
// look, if it is not nil, says what has held it so far, each from its start on and
// for its Held. It is called from several goroutines, and when the phase is done.
func (m *Member) Phase(p Phase, look func() []Holder) (done func()) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	at := len(m.phases)
	m.phases = append(m.phases, memberPhase{phaseLine: phaseLine{p, m.g.now(), never}, look: look})
	return func() {
		m.look(at, look)
		m.g.mu.Lock()
		defer m.g.mu.Unlock()
		m.phases[at].end = min(m.phases[at].end, m.g.now())
	}
}

// look asks who holds a phase that lasts. m.g.mu must not be held: it is the
// application's connections that are asked.
func (m *Member) look(at int, look func() []Holder) {
	if look == nil {
		return
	}
	hs := look()
	for i := range hs {
		hs[i].Peer, hs[i].Detail = clean(hs[i].Peer), clean(hs[i].Detail)
		if m.g.t.cfg.withheld.peer {
			hs[i].Peer, hs[i].Connection = "", unnumbered
		}
	}
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	if p := &m.phases[at]; p.end == never {
		p.holders = hs
	}
}

// look asks who holds the members that are no grpc servers. g.mu must not be held.
func (g *Group) look() {
	var looks []func()
	g.mu.Lock()
	for _, m := range g.members {
		for at, p := range m.phases {
			if p.end == never && m.end == never {
				looks = append(looks, func() { m.look(at, p.look) })
			}
		}
	}
	g.mu.Unlock()
	for _, f := range looks {
		f()
	}
}

// Connections says how many an HTTP server had when its stop began, how many were
// cut, and how many are left that handlers have hijacked.
func (m *Member) Connections(idle, active, cut, hijacked int) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	m.info.Idle, m.info.Active, m.info.Cut, m.info.Hijacked = idle, active, cut, hijacked
}

// stopped takes a grpc server's own report. end is where its spans end.
func (m *Member) stopped(r *Report, end time.Time) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	m.report, m.spansEnd = r, end.Sub(m.g.spans.wall)
	m.g.mayHaveEnded()
}

// serves says that it is a grpc server, whose stop is s.
func (m *Member) serves(s *Shutdown) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	m.server = s
}

// End ends the stop of a member. forced says that it was not ready in time; err is
// what its stop returned.
func (m *Member) End(err error, forced bool) {
	m.g.mu.Lock()
	defer m.g.mu.Unlock()
	if m.end != never {
		return
	}
	m.end, m.info.Forced = m.g.now(), forced
	if err != nil {
		m.info.Error = clean(err.Error())
	}
	m.g.mayHaveEnded()
}

func (g *Group) mayHaveEnded() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Finish ends the tracing of the group: it sends what has not been sent, logs the
// verdict and flushes, for at most 2 s and not past ctx, as that of a [Shutdown]
// does. Further calls wait for the first and return the same.
func (g *Group) Finish(ctx context.Context) *Report {
	g.finish.Do(func() {
		close(g.stop)
		done := make(chan struct{})
		go func() { // waited for below, unless something of the application's blocks
			defer close(done)
			<-g.stopped
			guard(g.t.cfg.log, g.conclude)
			lost := g.session.Flush(ctx)
			g.flushed(lost)
			g.t.live.ended(g)
			guard(g.t.cfg.log, func() { logSpooled(g.log, lost); logLost(g.log, lost) })
		}()
		await(finishWithin(ctx), done)
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.result == nil {
			g.result = g.reportLocked(g.now(), nil)
		}
	})
	return g.report()
}

// Deliver hands the report to [WithReport]'s function, as that of a [Shutdown]
// does. It is to be called once.
func (g *Group) Deliver(ctx context.Context) { g.t.deliver(ctx, g.report()) }

func (g *Group) report() *Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.result
}

func (g *Group) flushed(lost exporter.Result) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.result != nil {
		r := *g.result
		r.Spans = spanCount(lost, r.Spans.Summarised)
		g.result = &r
	}
}

// conclude makes the report, sends the last spans and logs the verdict.
func (g *Group) conclude() {
	g.sendEnded()
	servers := g.serversSoFar() // those that were left behind
	g.look()
	var unsent []*Member
	g.mu.Lock()
	r := g.reportLocked(g.now(), servers)
	g.result = r
	reports := make(map[*Member]*Report)
	for i, m := range g.members {
		if !m.sent {
			m.sent = true
			unsent, reports[m] = append(unsent, m), r.Members[i]
		}
	}
	g.mu.Unlock()
	for _, m := range unsent {
		g.sendMember(m, reports[m])
	}
	g.sendRoot(r)
	g.logFinished(r)
}

// run tells what holds the group while no grpc server does, which tells it itself.
func (g *Group) run() {
	defer close(g.stopped)
	guard(g.t.cfg.log, g.logStarted)
	due := nextCheckpoint(0)
	timer := time.NewTimer(due - g.now())
	defer timer.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-g.wake:
			guard(g.t.cfg.log, g.sendEnded)
		case <-timer.C:
			guard(g.t.cfg.log, g.checkpoint)
			at := g.now()
			for due <= at {
				due = nextCheckpoint(due)
			}
			timer.Reset(due - at)
		}
	}
}
