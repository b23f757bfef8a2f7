// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
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
// first and return the same.
func (s *Shutdown) Finish(ctx context.Context) *Report {
	s.finish.Do(func() {
		close(s.stop)
		done := make(chan struct{})
		go func() { // waited for below, unless something of the application's blocks
			defer close(done)
			s.end(ctx)
		}()
		limit := finishLimit
		if d, ok := ctx.Deadline(); ok {
			limit = min(limit, max(time.Until(d), 0)+finishSlack)
		}
		if !await(limit, done) {
			s.inTime(s.fallBack)
		}
		if s.report() == nil { // a fault of ours, which guard has told
			s.setReport(&Report{Version: 1, TraceID: s.spans.traceID.String()})
		}
	})
	return s.report()
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

// end does what Finish promises.
func (s *Shutdown) end(ctx context.Context) {
	<-s.stopped
	s.guard(s.conclude)
	lost := s.session.Flush(ctx)
	if r := s.report(); r != nil {
		flushed := *r
		flushed.Spans = SpanCount{Sent: lost.Sent, Lost: lost.Lost, Summarised: s.spans.missed}
		s.setReport(&flushed)
	}
	s.t.release(s)
	s.guard(func() { s.logLost(lost) })
}

// conclude makes the report, sends the last spans and logs the verdict.
func (s *Shutdown) conclude() {
	s.countRefused()
	tl, views := s.lastView()
	r := tl.report(views, s.wall)
	r.Checkpoints = s.story()
	main := tl.longest(views)
	r.Service, r.TraceID = s.t.out.ServiceName(), s.spans.traceID.String()
	r.JaegerURL = s.jaegerURL(main)
	s.setReport(r)
	s.spans.advance(tl, views)
	s.spans.end(tl, r, s.announced(), main)
	s.logFinished(r, main, tl.untoldClients() != "")
}

// fallBack makes a report where the application keeps us from concluding.
func (s *Shutdown) fallBack() {
	if s.report() != nil {
		return
	}
	tl, views := s.lastView()
	r := tl.report(views, s.wall)
	r.Checkpoints = s.story()
	r.Service, r.TraceID = s.t.out.ServiceName(), s.spans.traceID.String()
	s.setReport(r)
}

// lastView is the view of a shutdown that is over, or given up.
func (s *Shutdown) lastView() (*timeline, []phaseView) {
	tl := s.timeline()
	if tl.returned == never {
		tl.returned, tl.abandoned = tl.now, true
	}
	return tl, tl.views()
}

// Deliver hands the report to [WithReport]'s function and waits for it, for at
// most 1 s and not past ctx. It is called when the stop is over for everybody
// else; calls after the first do nothing.
func (s *Shutdown) Deliver(ctx context.Context) {
	f, r := s.t.cfg.report, s.report()
	if f == nil || r == nil || s.delivered.Swap(true) {
		return
	}
	done := make(chan struct{})
	go func() { // waited for below, unless the application blocks
		defer close(done)
		s.guard(func() { f(r) })
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
func (s *Shutdown) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			defer func() { _ = recover() }() // the logger may be the fault
			s.t.cfg.log.Error("gracetrace: a fault in the tracer", "panic", fmt.Sprint(v))
		}
	}()
	f()
}
