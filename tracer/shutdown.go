// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// Call is the stop call that a Shutdown traces.
type Call struct {
	Graceful    bool          // GracefulStop; else Stop
	Budget      time.Duration // from the call to the deadline; zero: none
	GRPCVersion string        // of grpc-go

	unannounced bool // a listener's Close is all we know of it
}

// Shutdown is one stop of one server, from the call on. Package server makes
// it; its methods are safe for concurrent use.
type Shutdown struct {
	t       *Tracer
	session *exporter.Session
	spans   *spans
	builder builder

	wake    chan struct{} // a phase may have ended
	stop    chan struct{}
	stopped chan struct{}
	finish  sync.Once
	result  *Report

	quit     chan struct{} // ends the wait of an unannounced shutdown
	quitOnce sync.Once
	followed chan struct{} // that wait has ended; nil: it was announced

	mu        sync.Mutex // guards following
	call      Call
	forced    watch.Instant
	returned  watch.Instant
	cancelled map[uint64]watch.Instant // by RPC
}

// BeginShutdown is called right before grpc's stop. If another shutdown of this
// server is being traced, it returns that one and false.
//
// A server that is stopped without it, because a framework kept the original
// *grpc.Server, is traced from the moment when its last listener is closed
// until its last holder has gone; shutdown.source is then "listener".
func (t *Tracer) BeginShutdown(c Call) (*Shutdown, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.current; s != nil {
		return s, s.adopt(c)
	}
	return t.beginLocked(c), true
}

// beginLocked starts a shutdown. t.mu must be held.
func (t *Tracer) beginLocked(c Call) *Shutdown {
	s := &Shutdown{
		t: t, call: c, wake: make(chan struct{}, 1), stop: make(chan struct{}),
		stopped: make(chan struct{}), cancelled: make(map[uint64]watch.Instant),
		quit: make(chan struct{}),
	}
	t.current = s
	wall := time.Now().Truncate(tick)
	call, _ := t.table.Watch(func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	s.builder = builder{
		clock: t.table.Clock, call: call, resolve: t.table.Resolve, callers: make(map[uint64]caller),
		peers: make(map[uint64]string),
	}
	s.session = t.out.Open()
	s.spans = newSpans(s.session, wall, t.cfg.origin)
	go s.run()
	return s
}

// announced is the call as it is known now.
func (s *Shutdown) announced() Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call
}

// Forced is called when Stop is called on top of a GracefulStop. It returns
// what holds the shutdown at that moment, the longest 50.
func (s *Shutdown) Forced() (held []Holder) {
	now := s.t.table.Now()
	s.guard(func() {
		_, views := s.view()
		for _, h := range longest(openHolders(&views[len(views)-1]), maxBars) {
			held = append(held, h.Holder)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forced == 0 {
		s.forced = now
	}
	return held
}

// Returned is called when grpc's call has returned. Without it the shutdown
// was given up: what still holds is reported as open.
func (s *Shutdown) Returned() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.returned == 0 {
		s.returned = s.t.table.Now()
	}
}

// run follows the shutdown while it lasts.
func (s *Shutdown) run() {
	defer close(s.stopped)
	unfollow := s.begin()
	defer unfollow()
	due := nextCheckpoint(0)
	timer := time.NewTimer(due)
	defer timer.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			s.guard(func() {
				if tl := s.timeline(); s.spans.pending(tl) {
					s.spans.advance(tl, tl.views())
				}
			})
		case <-timer.C:
			s.guard(func() { s.checkpoint() })
			at := time.Duration(s.t.table.Now() - s.builder.call)
			for due <= at {
				due = nextCheckpoint(due)
			}
			timer.Reset(due - at)
		}
	}
}

// begin sends and logs that the shutdown has started.
func (s *Shutdown) begin() (unfollow func()) {
	unfollow = func() {}
	s.guard(func() {
		s.spans.begin(s.announced())
		snap := s.t.table.Snapshot()
		unfollow = s.followCancels(snap.RPCs)
		s.logStarted(&snap)
	})
	return unfollow
}

func (s *Shutdown) checkpoint() {
	tl, views := s.view()
	s.spans.advance(tl, views)
	s.spans.ended(tl, views)
	s.spans.checkpoint(tl, views)
	s.logProgress(tl, &views[len(views)-1])
}

// maxFollowed bounds the RPCs whose cancellation is followed.
const maxFollowed = 1000

// followCancels stamps when a client cancels an RPC whose handler runs on: it
// holds no connection any more, only the handler wait.
func (s *Shutdown) followCancels(rpcs []watch.RPCState) (unfollow func()) {
	graceful := s.announced().Graceful
	var stops []func() bool
	for _, r := range rpcs[:min(len(rpcs), maxFollowed)] {
		if r.End != 0 {
			continue
		}
		// GracefulStop cancels nothing; Stop may have done it just now.
		if graceful && r.Ctx.Err() == context.Canceled {
			s.mu.Lock()
			s.cancelled[r.ID] = s.builder.call - 1 // before the call, who knows when
			s.mu.Unlock()
			continue
		}
		stops = append(stops, context.AfterFunc(r.Ctx, func() {
			if r.Ctx.Err() != context.Canceled {
				return // its deadline has passed, which frees no stream
			}
			s.mu.Lock()
			defer s.mu.Unlock()
			s.cancelled[r.ID] = s.t.table.Now()
		}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// view is the shutdown as it is known now. Whether the call has returned is read
// first, so that what it has ended has ended in the snapshot.
func (s *Shutdown) view() (*timeline, []phaseView) {
	tl := s.timeline()
	return tl, tl.views()
}

func (s *Shutdown) timeline() *timeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	tl := &timeline{
		graceful: s.call.Graceful, unannounced: s.call.unannounced,
		forced: s.builder.since(s.forced), returned: s.builder.since(s.returned),
	}
	snap := s.t.table.Snapshot()
	s.builder.add(tl, &snap, s.cancelled)
	tl.settle()
	tl.infer()
	return tl
}

// Finish ends the tracing: it sends what has not been sent, logs the verdict
// and flushes, for at most 2 s and not past ctx. It returns the report; further
// calls wait for the first and return the same.
func (s *Shutdown) Finish(ctx context.Context) *Report {
	s.finish.Do(func() {
		close(s.stop)
		<-s.stopped
		s.result = &Report{Version: 1, TraceID: s.spans.traceID.String()}
		s.guard(s.conclude)
		lost := s.session.Flush(ctx)
		s.result.Spans = SpanCount{Sent: lost.Sent, Lost: lost.Lost, Summarised: s.spans.missed}
		s.guard(func() { s.logLost(lost) })
		s.t.table.Unwatch()
		s.t.mu.Lock()
		s.t.current = nil
		s.t.mu.Unlock()
		if f := s.t.cfg.report; f != nil {
			s.guard(func() { f(s.result) })
		}
	})
	return s.result
}

// conclude makes the report, sends the last spans and logs the verdict.
func (s *Shutdown) conclude() {
	tl, views := s.view()
	if tl.returned == never {
		tl.returned, tl.abandoned = tl.now, true
		views = tl.views()
	}
	r := tl.report(views, s.spans.wall)
	main := tl.longest(views)
	r.Service, r.TraceID = s.t.out.ServiceName(), s.spans.traceID.String()
	r.JaegerURL = s.jaegerURL(main)
	s.result = r
	s.spans.advance(tl, views)
	s.spans.end(tl, r, s.announced(), main)
	s.logFinished(r, main)
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
