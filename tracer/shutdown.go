// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// Call is the stop call that a Shutdown traces.
type Call struct {
	Graceful    bool          // GracefulStop; else Stop
	Budget      time.Duration // from the call to the deadline; zero: none
	GRPCVersion string        // of grpc-go
	// Later says that grpc's stop is not called yet: what [Shutdown.Step] traces
	// comes first, and [Shutdown.Called] tells when.
	Later bool
	// Member says which member of a group the server is; nil: of none.
	Member *Member
	// EndRecv has the methods, as pkg.Service/Method, on whose streams a Recv ends
	// when the server drains. It must not be changed.
	EndRecv map[string]bool
	// Compiled says that grpc's own source announces the call: see package weave.
	Compiled bool

	unannounced bool // a listener's Close is all we know of it
}

// Shutdown is one stop of one server, from its announcement on. Package server
// makes it; its methods are safe for concurrent use.
type Shutdown struct {
	t        *Tracer
	wall     time.Time     // the start
	begun    watch.Instant // the same
	session  *exporter.Session
	spans    *spans
	building sync.Mutex // guards following
	builder  builder
	sight    sight

	refusal refusal // of the shutdown's goroutine

	looking sync.Mutex // held while the goroutines are dumped

	wake      chan struct{} // a phase may have ended
	calling   chan struct{} // closed when grpc's stop is called
	panicking chan panicking
	securing  chan *secured
	stop      chan struct{}
	stopped   chan struct{}
	forcing   atomic.Bool // Forced looks: nobody else must
	finishing atomic.Bool
	finished  chan struct{}
	delivered atomic.Bool

	unannounced

	mu          sync.Mutex // guards following
	call        Call
	zero        watch.Instant // what timelines count from: the call; before it, the start
	called      bool          // grpc's stop is
	steps       []*step
	arrivals    arrivals
	http        httpWait
	interrupted interruption
	forced      watch.Instant
	secured     *secured // nil: nothing was, see secure
	returned    watch.Instant
	cutAll      watch.Instant            // see Cut
	gaveUp      watch.Instant            // zero: the call had returned before what comes after it
	cancelled   map[uint64]watch.Instant // by RPC
	streams     watch.Instant            // see StreamsCancelled
	refused     int                      // see clientsLine
	background  int
	inherited   bool
	inside      uint64       // the RPC whose handler made the call
	joined      []*joined    // the stop calls after it
	panics      []panicLine  // only appended to
	dumps       []dump       // only appended to
	result      *Report      // replaced, never changed
	counted     bool         // it says what became of all spans
	told        []Checkpoint // see keepCheckpoint
}

// BeginShutdown is called right before grpc's stop. If another shutdown of this
// server is being traced, it returns that one and false.
//
// A server that is stopped without it, because a framework kept the original
// *grpc.Server, is traced from the moment when its last listener is closed
// until its last holder has gone; shutdown.source is then "listener".
//
// It must be called on the goroutine of the stop call: see [Shutdown.Joined].
func (t *Tracer) BeginShutdown(c Call) (*Shutdown, bool) {
	inside := t.handlerAbove()
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.current; s != nil {
		if s.followed == nil {
			return s, false
		}
		switch s.take(c) {
		case takenBefore:
			return s, false
		case takenOver:
			s.calledBy(inside)
			return s, true
		}
		t.releaseLocked(s) // only a listener was closed: the stop begins now
	}
	s := t.beginLocked(c)
	s.calledBy(inside)
	s.launch()
	return s, true
}

// beginLocked watches from now on. t.mu must be held.
func (t *Tracer) beginLocked(c Call) *Shutdown {
	s := &Shutdown{
		t: t, call: c, wall: time.Now().UTC().Truncate(tick), begun: t.table.Now(),
		wake: make(chan struct{}, 1), calling: make(chan struct{}),
		panicking: make(chan panicking), securing: make(chan *secured),
		stop: make(chan struct{}), stopped: make(chan struct{}), finished: make(chan struct{}),
		cancelled: make(map[uint64]watch.Instant), refused: -1,
		refusal: refusal{first: t.resets},
	}
	t.current = s
	s.zero = s.begun
	s.arrivals.begin(t.table)
	s.builder = t.newBuilder(s.zero)
	s.sight.builder = s.builder
	if !c.Later {
		s.Called()
		s.begun = s.zero
	}
	return s
}

// Called is called right before grpc's stop is, if [Call.Later] is set. It ends a
// [Shutdown.Step] that lasts. Calls after the first do nothing.
func (s *Shutdown) Called() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.called {
		return
	}
	s.called = true
	s.zero, _ = s.t.table.Watch(func() {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	})
	s.arrivals.end(s.t.table)
	for _, st := range s.steps {
		s.endStep(st, s.zero)
	}
	close(s.calling)
}

// since converts an Instant.
func (s *Shutdown) since(i watch.Instant) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return (&builder{call: s.zero}).since(i)
}

// launch opens the way out and follows the shutdown.
func (s *Shutdown) launch() {
	if m := s.announced().Member; m != nil {
		s.session = m.g.session
		s.spans = newSpans(s.session, s.wall, s.t.cfg.origin)
		s.spans.traceID, s.spans.parent = m.g.spans.traceID, m.span
		s.spans.member, s.spans.mine = m.which(), m.g.spans.mine
		m.serves(s)
	} else {
		s.session = s.t.out.Open()
		s.spans = newSpans(s.session, s.wall, s.t.cfg.origin)
		s.t.live.began(s)
	}
	go s.run()
}

func (t *Tracer) release(s *Shutdown) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.releaseLocked(s)
}

// releaseLocked forgets what was kept for s. t.mu must be held.
func (t *Tracer) releaseLocked(s *Shutdown) {
	if t.current == s {
		t.current = nil
		t.live.ended(s)
		t.table.Unwatch()
	}
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
	s.forcing.Store(true)
	defer s.forcing.Store(false)
	s.guard(s.lookBeforeForce)
	now := s.t.table.Now()
	s.guard(func() {
		tl := s.timeline()
		if tl.isCrowd() {
			held = s.secure(tl, now)
			return
		}
		lines := tl.phases()
		v := &tl.viewsOf(lines[len(lines)-1:])[0]
		for _, h := range longest(openHolders(v), maxBars) {
			held = append(held, h.tell().Holder)
		}
	})
	s.forcedAt(now)
	return held
}

// Forcing is called when the forced stop goes on although [Shutdown.Forced] has not
// returned: from now on what ends was cut.
func (s *Shutdown) Forcing() { s.forcedAt(s.t.table.Now()) }

func (s *Shutdown) forcedAt(now watch.Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forced == 0 {
		s.forced = now
	}
}

// Cut is called when the Stop that forced the shutdown has returned, if it does: no
// connection is left then. Calls after the first do nothing.
func (s *Shutdown) Cut() {
	now := s.t.table.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cutAll == 0 {
		s.cutAll = now
	}
}

// Returned is called when grpc's call has returned. Without it the shutdown
// was given up: what still holds is reported as open.
func (s *Shutdown) Returned() {
	now := s.t.table.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.returned == 0 {
		s.returned = now
	}
}

// run follows the shutdown while it lasts.
func (s *Shutdown) run() {
	defer close(s.stopped)
	s.guard(func() { s.spans.begin(s.announced()) })
	unfollow := func() {}
	defer func() { unfollow() }()
	calling := s.calling
	if !s.announced().Later {
		calling = nil
		s.guard(func() { unfollow = s.follows() })
	}
	s.guard(s.began)
	due := nextCheckpoint(0)
	timer := time.NewTimer(due - time.Duration(s.t.table.Now()-s.begun))
	defer timer.Stop()
	looked := false
	var ended <-chan time.Time // nil: no phase may have ended since the last look
	for {
		select {
		case <-s.stop:
			return
		case <-calling:
			calling = nil
			s.guard(func() { unfollow = s.follows() })
		case <-s.wake:
			if ended == nil {
				ended = time.After(endedDelay)
			}
		case <-ended:
			ended = nil
			s.guard(func() { s.phasesEnded(due) })
		case p := <-s.panicking:
			s.guard(func() { s.panicked(&p) })
			close(p.told)
		case c := <-s.securing:
			s.guard(func() { s.sendSecured(c) })
			close(c.sent)
		case <-timer.C:
			if s.forcing.Load() {
				timer.Reset(endedDelay)
				continue
			}
			ended = nil // a checkpoint sends them, too
			// One that comes late may skip others.
			if s.since(s.t.table.Now()) >= lookAt && calling == nil && !looked {
				looked = true
				s.guard(func() { s.look(dumpLimit) })
			}
			s.guard(func() { s.checkpoint() })
			at := time.Duration(s.t.table.Now() - s.begun)
			for due <= at {
				due = nextCheckpoint(due)
			}
			timer.Reset(due - at)
		}
	}
}

// endedDelay is how long the phases that have ended wait to be sent, unless a
// checkpoint comes first: a look costs as much as the server has connections, and
// most stops end before it is taken.
const endedDelay = 500 * time.Millisecond

// phasesEnded sends the phases that have ended. If the last checkpoint told of one of
// them, who held it is not who holds now: unless the next checkpoint is due, one more
// says it.
func (s *Shutdown) phasesEnded(due time.Duration) {
	tl := s.timeline()
	if s.spans.pending(tl) {
		views := tl.viewsOf(s.spans.unsent(tl.knownPhases()))
		s.session.Together(func() { s.spans.advance(tl, views) })
	}
	lines := tl.phases()
	now := lines[len(lines)-1]
	soon := due-time.Duration(s.t.table.Now()-s.begun) < endedDelay/5
	if now.end == never && !soon && s.toldOfAnother(now.phase) {
		s.checkpoint()
	}
}

// began logs that the shutdown has started.
func (s *Shutdown) began() {
	o := s.t.table.Outline(0)
	s.logStarted(&o)
}

// follows begins to follow what only the call makes worth following.
func (s *Shutdown) follows() (unfollow func()) {
	o := s.t.table.Outline(maxFollowed)
	s.refusal.begin(o.Listeners)
	return s.followCancels(o.Some)
}

// maxFollowed bounds the RPCs whose cancellation is followed.
const maxFollowed = 1000

// followCancels stamps when a client cancels an RPC whose handler runs on: it
// holds no connection any more, only the handler wait.
func (s *Shutdown) followCancels(rpcs []watch.RPCState) (unfollow func()) {
	graceful := s.announced().Graceful
	var stops []func() bool
	for _, r := range rpcs {
		// GracefulStop cancels nothing; Stop may have done it just now.
		if graceful && r.Ctx.Err() == context.Canceled && s.cancelledBefore(r.ID) {
			continue
		}
		stops = append(stops, context.AfterFunc(r.Ctx, func() {
			if r.Ctx.Err() != context.Canceled {
				return // its deadline has passed, which frees no stream
			}
			now := s.t.table.Now()
			s.mu.Lock()
			defer s.mu.Unlock()
			s.cancelled[r.ID] = now
		}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// cancelledBefore says of an RPC that it was cancelled before the call, who knows
// when, unless a forced stop may have done it by now.
func (s *Shutdown) cancelledBefore(id uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forced != 0 || s.http.cut != 0 {
		return false
	}
	s.cancelled[id] = s.zero - 1
	return true
}

// view is the shutdown as it is known now. Whether the call has returned is read
// first, so that what it has ended has ended in the snapshot.
func (s *Shutdown) view() (*timeline, []phaseView) {
	tl := s.timeline()
	return tl, tl.views()
}

func (s *Shutdown) timeline() *timeline {
	s.building.Lock()
	defer s.building.Unlock()
	return s.timelineBy(&s.builder)
}

// timelineBy makes a timeline with a builder that nobody else uses meanwhile.
func (s *Shutdown) timelineBy(b *builder) *timeline {
	s.mu.Lock()
	b.call = s.zero
	tl := &timeline{
		graceful: s.call.Graceful, unannounced: s.call.unannounced,
		lead: time.Duration(s.zero - s.begun), leading: !s.called, steps: s.stepLines(b),
		forced: b.since(s.forced), returned: b.since(s.returned), abandoned: s.gaveUp != 0,
		cutAll:      b.since(s.cutAll),
		grpcVersion: s.call.GRPCVersion, inside: s.inside, stops: s.stopLines(b),
		streamsCancelled: b.since(s.streams), endRecv: s.call.EndRecv,
	}
	if tl.abandoned {
		tl.returned = b.since(s.gaveUp)
	}
	tl.clients.refused, tl.clients.background = s.refused, s.background
	tl.clients.inherited = s.inherited
	tl.dumps, tl.panics = slices.Clip(s.dumps), slices.Clip(s.panics)
	tl.clients.arrivals = s.arrivals.until(s.t.table, s.begun)
	tl.http, tl.exit = s.http.line(b), s.interrupted.line(b)
	cancelled := maps.Clone(s.cancelled)
	s.mu.Unlock()
	snap := s.t.table.Snapshot()
	b.add(tl, &snap, cancelled)
	tl.settle()
	tl.infer()
	tl.settleHTTP()
	return tl
}
