// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

const (
	// manyHolders is how many connections and RPCs are many. To cut 100,000 RPCs takes all
	// processors for seconds, in which another goroutine does not get 10 ms without
	// waiting for each of their handlers: whatever is to be said must be said before.
	manyHolders = 10_000
	// secureLimit bounds how long a forced stop waits for the collector to have it.
	secureLimit = 250 * time.Millisecond
)

// secured is what was known of a crowd right before it was cut. The shutdown's
// goroutine, the forced stop, the conclusion and the report that is made for want of
// time may all be at it: on a machine that is overloaded at once.
type secured struct {
	tl     *timeline // in which everything ends at the forced stop
	report *Report   // for the worst case
	sent   chan struct{}

	using sync.Mutex  // guards following: to tell of a holder changes it
	views []phaseView // of the phases before the forced stop
}

// isCrowd says that a forced stop of tl is to be prepared: there was none yet, and it
// will have many to end.
func (tl *timeline) isCrowd() bool {
	left := tl.left(tl.now)
	return tl.forced == never && left.Connections+left.RPCs >= manyHolders
}

// newSecured takes a timeline that has been cut.
func newSecured(tl *timeline) *secured {
	views := tl.views()
	if i := slices.IndexFunc(views, func(v phaseView) bool { return v.phase == PhaseForcedStop }); i >= 0 {
		views = views[:i]
	}
	return &secured{tl: tl, views: views, sent: make(chan struct{})}
}

// secure sends what held a crowd until it is cut, which begins now, and returns what
// held it the longest.
func (s *Shutdown) secure(tl *timeline, now watch.Instant) []Holder {
	tl.cutAt(s.since(now))
	c := newSecured(tl)
	tl, views := c.unseen(tl.now, never)
	c.report = tl.report(views, s.wall)
	s.mu.Lock()
	s.secured = c
	s.mu.Unlock()
	s.forcedAt(now)
	select {
	case s.securing <- c:
		<-c.sent
	case <-s.stopped:
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), secureLimit)
	defer cancel()
	s.session.Sync(ctx)
	return c.held()
}

// sendSecured is the part of [Shutdown.secure] that is the shutdown's goroutine's.
func (s *Shutdown) sendSecured(c *secured) {
	c.using.Lock()
	defer c.using.Unlock()
	s.spans.advance(c.tl, c.views)
}

// held are the longest of those that were there until they were cut.
func (c *secured) held() (held []Holder) {
	c.using.Lock()
	defer c.using.Unlock()
	if len(c.views) == 0 {
		return nil
	}
	v := &c.views[len(c.views)-1]
	var cut []*holder
	for i := range v.holders {
		if h := v.holders[i].blamed(); h.end == v.end {
			cut = append(cut, h)
		}
	}
	for _, h := range longest(cut, maxBars) {
		held = append(held, h.tell().Holder)
		held[len(held)-1].Open = true
	}
	return held
}

// cutAt makes the timeline one in which what is left ends by force, right after a
// moment.
func (tl *timeline) cutAt(at time.Duration) {
	tl.forced = at
	at += tick
	tl.returned, tl.now = at, at
	for i := range tl.conns {
		c := &tl.conns[i]
		c.settled, c.closed, c.gone = min(c.settled, at), min(c.closed, at), min(c.gone, at)
	}
	for i := range tl.rpcs {
		tl.rpcs[i].end = min(tl.rpcs[i].end, at)
	}
}

// unseen is the view of a forced stop at which there was no time to look. c.using must
// be held while it is used.
func (c *secured) unseen(now, returned time.Duration) (*timeline, []phaseView) {
	tl := *c.tl
	tl.now, tl.endUnseen, tl.abandoned = now, true, returned == never
	tl.returned = min(returned, now)
	views := slices.Concat(c.views,
		[]phaseView{{phaseLine: phaseLine{PhaseForcedStop, tl.forced, tl.returned}}})
	if !tl.abandoned {
		views = append(views,
			phaseView{phaseLine: phaseLine{PhaseHandlerWait, tl.returned, tl.returned}})
	}
	return &tl, views
}

// lastViewWithin is the last view, or that of before the forced stop if it takes
// more than half of the time that is left. Nobody else has it until done is called.
func (s *Shutdown) lastViewWithin(limit time.Duration) (tl *timeline, views []phaseView, done func()) {
	s.mu.Lock()
	c := s.secured
	s.mu.Unlock()
	if c != nil && limit == 0 {
		return s.unseen(c)
	}
	done = func() {}
	if c == nil {
		tl, views = s.lastView()
		return tl, views, done
	}
	var seen *timeline // a late look must not change what is returned
	var seenViews []phaseView
	looked := make(chan struct{})
	go func() { // ends by itself
		defer close(looked)
		s.guard(func() { seen, seenViews = s.lastView() })
	}()
	if await(limit/2, looked) && seen != nil {
		return seen, seenViews, done
	}
	return s.unseen(c)
}

func (s *Shutdown) unseen(c *secured) (tl *timeline, views []phaseView, done func()) {
	now := s.since(s.t.table.Now())
	s.mu.Lock()
	returned := (&builder{call: s.zero}).since(s.returned)
	s.mu.Unlock()
	c.using.Lock()
	tl, views = c.unseen(now, returned)
	return tl, views, c.using.Unlock
}
