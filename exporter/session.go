// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// flushLimit is the most that Flush takes.
const flushLimit = 2 * time.Second

// syncPoll is how often Sync looks.
const syncPoll = 2 * time.Millisecond

// Session carries the spans of one shutdown. Its methods may be called from
// any goroutine.
type Session struct {
	owner  *Exporter // nil: not enabled
	opened time.Time
	tracer trace.Tracer
	q      *queue

	ctx      context.Context    // of the lanes
	cancel   context.CancelFunc // ends them, whatever they are doing
	brief    context.Context    // of calls that are hopeless: they end soon after Flush begins
	endBrief context.CancelFunc
	flushing chan struct{} // closed when Flush begins
	flushed  chan struct{} // closed when Flush has its result
	done     chan struct{} // closed when all lanes have ended

	firstDone chan struct{} // closed when the first has ended
	overdue   chan struct{} // closed when the first's call is, in Flush
	worked    atomic.Bool   // a collector answered in this session
	slow      atomic.Bool   // the last call of the first was
	cutAt     atomic.Int64  // when Flush ends the lanes, in ns since 1970; 0: not begun
	calling   atomic.Int64  // since when the first's call lasts, in ns since 1970; 0: none does

	mu      sync.Mutex // guards following
	running int        // lanes
	second  bool       // there is, or was, a second one
}

// Result is what became of a session's spans. Every span given to Emit is in
// Sent, in Spooled, in Lost or, until Flush has ended, in Pending.
type Result struct {
	// Sent is the number of spans that the collector took.
	Sent int
	// Spooled is the number of spans that it did not take and that are in the
	// spool, for the next start. With SpoolLog alone they are in the log.
	Spooled int
	// Lost is the number of spans by reason: "collector unreachable",
	// "collector gone", "timeout", "resource exhausted", "collector refused",
	// "rejected", "exporter failed", "exporter panicked", "queue full",
	// "after flush"; with a spool "spool" if that could not keep it either. It is
	// nil when nothing was lost.
	Lost map[string]int
	// Pending is the number of spans that wait, or are on their way.
	Pending int
	// Err is the last error for which spans were not sent.
	Err error
	// GoneAt is when, since Open, a collector that had answered went away for
	// good. Zero: it did not, or it never answered.
	GoneAt time.Duration
}

// Open begins a session: in the background the exporter is built and dials.
// It stops the probe if that is still running. It never blocks.
func (e *Exporter) Open() *Session {
	if !e.enabled {
		return &Session{}
	}
	e.stopProbe()
	e.stopRecovery()
	s := &Session{
		owner:    e,
		opened:   time.Now(),
		q:        newQueue(e.spools()...),
		flushing: make(chan struct{}),
		flushed:  make(chan struct{}),
		done:     make(chan struct{}),

		firstDone: make(chan struct{}),
		overdue:   make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.brief, s.endBrief = context.WithCancel(s.ctx)
	s.tracer = newProvider(e.res, s.q).Tracer(e.cfg.ScopeName,
		trace.WithInstrumentationVersion(e.cfg.ScopeVersion),
		trace.WithSchemaURL(e.cfg.SchemaURL))
	e.mu.Lock()
	e.sessions[s] = struct{}{}
	e.mu.Unlock()
	s.start(firstLane)
	return s
}

// Emit queues a finished span. It never blocks and never panics; a span that
// cannot be queued, and every one after Flush was called, is counted as lost.
func (s *Session) Emit(span Span) {
	if s.owner == nil {
		return
	}
	var err error
	func() {
		defer catch(&err)
		span.record(s.tracer)
	}()
	if err != nil {
		s.q.drop(lostPanicked)
	}
}

// Flush sends what is queued, closes the exporter and says what became of all
// spans. It takes at most 2 s, never passes ctx, and returns as soon as
// nothing is left, nobody is there, or the collector has asked to be left alone for
// longer than that: a collector that has never answered, although
// it had an attempt's time, has another 100 ms. A spool is waited
// for while each of its writes ends within 250 ms.
//
// Later calls wait for the first and return its result; their Lost also has
// the spans that were emitted after it.
func (s *Session) Flush(ctx context.Context) Result {
	if s.owner == nil {
		return Result{}
	}
	if !s.q.close() {
		select {
		case <-s.flushed:
		case <-ctx.Done():
		}
		return s.q.result(s.opened)
	}
	s.flush(ctx)
	close(s.flushed)
	return s.q.result(s.opened)
}

// Lost is the number of spans by reason that are known by now not to arrive, and not
// to be in a spool: what [Result] will say at least. It never blocks, and is nil when
// nothing is lost.
func (s *Session) Lost() map[string]int { return s.Result().Lost }

// Result is what has become of the spans by now. It never blocks.
func (s *Session) Result() Result {
	if s.owner == nil {
		return Result{}
	}
	return s.q.result(s.opened)
}

// Together calls f, and sends what that emits at once, as far as one message has room
// for it: a collector that answers slowly would get the first span alone, and the
// others after its answer. Nothing is sent until f returns, unless Flush is called.
func (s *Session) Together(f func()) {
	if s.owner == nil {
		f()
		return
	}
	s.q.hold()
	defer s.q.release()
	f()
}

// Sync waits until what has been emitted was sent, or is lost, but not past ctx:
// the process may end in a moment. The session goes on.
func (s *Session) Sync(ctx context.Context) {
	if s.owner == nil {
		return
	}
	poll := time.NewTicker(syncPoll)
	defer poll.Stop()
	for !s.q.idle() {
		select {
		case <-poll.C:
		case <-s.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// flush gives the sender all of the budget but a twentieth, which is for
// closing the exporter; then whatever it still does is without us.
func (s *Session) flush(ctx context.Context) {
	budget := flushLimit
	if d, ok := ctx.Deadline(); ok {
		budget = max(min(budget, time.Until(d)), 0)
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	left := budget - budget/20
	s.cutAt.Store(time.Now().Add(left).UnixNano())
	cut := time.AfterFunc(left, s.cancel)
	defer cut.Stop()
	close(s.flushing)
	for _, p := range s.q.spools {
		p.hurry(budget)
	}
	brief := time.AfterFunc(lastAttempt, s.endBrief)
	defer brief.Stop()
	overdue := time.AfterFunc(budget*overdueNum/overdueDen, func() { close(s.overdue) })
	defer overdue.Stop()
	s.await(ctx)
	s.cancel()
	s.q.settle()
	for _, p := range s.q.spools {
		p.end()
	}
	for _, p := range s.q.spools {
		p.wait(ctx)
	}
	s.owner.mu.Lock()
	delete(s.owner.sessions, s)
	s.owner.mu.Unlock()
}
