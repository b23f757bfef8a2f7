// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

const (
	// finishLimit bounds Finish where ctx does not: the flush's 2 s, and what
	// a logger that blocks may add.
	finishLimit = 2500 * time.Millisecond
	// finishSlack is for a flush that ends with ctx to say what became of it.
	finishSlack = 50 * time.Millisecond
	// fallBackLimit is what the report may take that is made when the time is up.
	fallBackLimit = 150 * time.Millisecond
	// deliverLimit bounds how long the application's own use of a report may
	// keep the stop.
	deliverLimit = time.Second
)

// Finish ends the tracing: it sends what has not been sent, logs the verdict
// and flushes, for at most 2 s and not past ctx. A logger or exporter that
// blocks does not keep it. It returns the report; further calls wait for the
// first, not past their own ctx, and return the same, or what is known by then.
func (s *Shutdown) Finish(ctx context.Context) *Report {
	done := s.finished
	if !s.finishing.Swap(true) {
		close(s.stop)
		go func() { // waited for below, unless something of the application's blocks
			defer close(done)
			s.end(ctx)
		}()
	}
	limit := finishLimit
	if d, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(d), 0)+finishSlack)
	}
	inTime := await(limit, done)
	if !inTime {
		s.inTime(s.fallBack)
	}
	s.mu.Lock()
	if s.result == nil {
		s.result = s.bareReportLocked()
	}
	s.mu.Unlock()
	if !inTime && s.announced().Member == nil {
		s.sentSpans(spanCount(s.session.Result(), 0), false)
	}
	return s.report()
}

// bareReportLocked says what is known without a look at the server: a machine that is
// overloaded, or code of the application's, has left no time for one. s.mu must be
// held.
func (s *Shutdown) bareReportLocked() *Report {
	now := s.t.table.Now()
	r := &Report{
		Version: 1,
		Call:    (&timeline{graceful: s.call.Graceful, unannounced: s.call.unannounced}).call(),
		Start:   s.wall, Duration: whole(time.Duration(now - s.begun)), Outcome: OutcomeGraceful,
		GRPC: s.call.GRPCVersion,
	}
	s.t.sign(r, s.spans.traceID)
	if c := s.secured; c != nil {
		known := *c.report
		known.Service, known.ServiceVersion, known.TraceID = r.Service, r.ServiceVersion, r.TraceID
		known.Duration = r.Duration
		known.Checkpoints = slices.Clone(s.told)
		return &known
	}
	if s.forced != 0 || s.returned == 0 || !s.call.Graceful {
		r.Outcome = OutcomeForced
	}
	r.Verdict = fmt.Sprintf("%s in %s: there was no time to find out what held it",
		r.Outcome, r.Duration)
	return r
}

// inTime waits for f, but not for long: what keeps it is the application's, such
// as an address that does not say what it is.
func (s *Shutdown) inTime(f func()) {
	done := make(chan struct{})
	go func() { // waited for below, unless the application blocks
		defer close(done)
		s.guard(f)
	}()
	await(fallBackLimit, done)
}

// finishWithin is how long a Finish may take.
func finishWithin(ctx context.Context) time.Duration {
	if d, ok := ctx.Deadline(); ok {
		return min(finishLimit, max(time.Until(d), 0)+finishSlack)
	}
	return finishLimit
}

// end does what Finish promises. A member of a group leaves the flush to that.
func (s *Shutdown) end(ctx context.Context) {
	<-s.stopped
	s.guard(func() { s.conclude(finishWithin(ctx)) })
	if m := s.announced().Member; m != nil {
		s.sentSpans(SpanCount{Summarised: s.spans.missed}, true)
		m.stopped(s.report(), s.spans.rootEnd)
		s.t.release(s)
		s.guard(s.followOutlived)
		return
	}
	lost := s.session.Flush(ctx)
	s.sentSpans(spanCount(lost, s.spans.missed), true)
	s.t.release(s)
	s.guard(s.followOutlived)
	s.guard(func() { logSpooled(s.log, lost); logLost(s.log, lost) })
}

// sentSpans adds to the report what became of the spans. What is not final must not
// replace what is.
func (s *Shutdown) sentSpans(n SpanCount, final bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.result == nil || s.counted {
		return
	}
	flushed := *s.result
	flushed.Spans = n
	s.result, s.counted = &flushed, final
}

// conclude makes the report, sends the last spans and logs the verdict. limit is
// what is left for that and for the flush.
func (s *Shutdown) conclude(limit time.Duration) {
	s.countRefused()
	tl, views, done := s.lastViewWithin(limit)
	defer done()
	r := tl.report(views, s.wall)
	r.Checkpoints = s.story()
	main := tl.longest(views)
	s.t.sign(r, s.spans.traceID)
	r.JaegerURL = s.jaegerURL(main)
	s.setReport(r)
	s.session.Together(func() {
		s.spans.advance(tl, views)
		s.spans.end(tl, r, s.announced(), main)
	})
	s.logNotSeen(tl)
	s.logFinished(r, main, tl.untoldClients() != "")
}

// fallBack makes a report where the application keeps us from concluding.
func (s *Shutdown) fallBack() {
	if s.report() != nil {
		return
	}
	tl, views, done := s.lastViewWithin(0)
	defer done()
	r := tl.report(views, s.wall)
	r.Checkpoints = s.story()
	s.t.sign(r, s.spans.traceID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.result == nil { // the conclusion has not come after all
		s.result = r
	}
}

// lastView is the view of a shutdown that is over, or given up.
func (s *Shutdown) lastView() (*timeline, []phaseView) {
	tl := s.timeline()
	if tl.returned == never {
		tl.returned, tl.abandoned = tl.now, true
	}
	tl.breakOff()
	return tl, tl.views()
}

// Deliver hands the report to [WithReport]'s function and waits for it, for at
// most 1 s and not past ctx. It is called when the stop is over for everybody
// else; calls after the first do nothing. Of a member of a group the group's report
// is handed out, which has this one in it.
func (s *Shutdown) Deliver(ctx context.Context) {
	if s.announced().Member == nil && !s.delivered.Swap(true) {
		s.t.deliver(ctx, s.report())
	}
}

func (c *core) deliver(ctx context.Context, r *Report) {
	f := c.cfg.report
	if f == nil || r == nil {
		return
	}
	done := make(chan struct{})
	go func() { // waited for below, unless the application blocks
		defer close(done)
		guard(c.cfg.log, func() { f(r) })
	}()
	limit := deliverLimit
	if d, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(d), finishSlack))
	}
	await(limit, done)
}

// await waits for done, for at most d, and reports whether it came.
func await(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}

func (s *Shutdown) report() *Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.result
}

func (s *Shutdown) setReport(r *Report) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.result = r
}

// jaegerURL opens the trace with the path to the culprit unfolded.
func (s *Shutdown) jaegerURL(main *phaseView) string {
	if s.t.cfg.uiURL == "" {
		return ""
	}
	id := s.spans.root
	if main.culprit != nil {
		id = s.spans.id(main.culprit.key)
	}
	return fmt.Sprintf("%s/trace/%s?uiFind=%s", s.t.cfg.uiURL, s.spans.traceID, id)
}

// guard keeps a fault of ours, or of a callback or a logger that the application
// gave us, away from the application.
func (s *Shutdown) guard(f func()) { guard(s.t.cfg.log, f) }

func guard(log *slog.Logger, f func()) {
	defer func() {
		if v := recover(); v != nil {
			defer func() { _ = recover() }() // the logger may be the fault
			log.Error("gracetrace: a fault in the tracer", "panic", fmt.Sprint(v))
		}
	}()
	f()
}
