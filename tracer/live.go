// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"sync"
	"time"
)

const (
	// maxFinished is how many reports of stops that are over are kept.
	maxFinished = 8
	// sightRest is the least time between two looks at a shutdown. A look costs
	// as much as the server has connections and RPCs: after one that took long
	// the rest is sightShare times as long.
	sightRest  = 100 * time.Millisecond
	sightShare = 20
)

// live is what the Tracers of one process know of the stops: those that run, and
// the last ones that ran. That of a group's member is a part of the group's.
type live struct {
	mu       sync.Mutex // guards following
	running  []liveStop
	finished []*Report
}

// liveStop is a stop: of a server, or of a group.
type liveStop interface {
	report() *Report // nil until it is over
	soFar() *Report
}

func (l *live) began(s liveStop) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = append(l.running, s)
}

func (l *live) ended(s liveStop) {
	r := s.report()
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.Index(l.running, s)
	if at < 0 {
		return // a listener was closed and no stop followed, or a group shows it
	}
	l.running = slices.Delete(l.running, at, at+1)
	if r == nil {
		return // a fault of ours
	}
	if len(l.finished) == maxFinished {
		l.finished = slices.Delete(l.finished, 0, 1)
	}
	l.finished = append(l.finished, r)
}

// look returns the reports so far of the stops that run, in the order of their
// calls, and those of the last ones that are over.
func (l *live) look() (running, finished []*Report) {
	l.mu.Lock()
	stops := slices.Clone(l.running)
	finished = slices.Clone(l.finished)
	l.mu.Unlock()
	for _, s := range stops {
		running = append(running, s.soFar())
	}
	return running, finished
}

// sight is what can be seen of a shutdown while it lasts, by those who ask. It
// has a builder of its own: the shutdown must not wait for the one who looks.
type sight struct {
	mu      sync.Mutex // guards following
	builder builder
	last    *Report
	next    time.Time // not before is it looked again
}

// soFar is the report of a shutdown that may still run. It may be as old as
// sight.next allows.
func (s *Shutdown) soFar() *Report {
	if r := s.report(); r != nil {
		return r
	}
	s.sight.mu.Lock()
	defer s.sight.mu.Unlock()
	began := time.Now()
	if s.sight.last != nil && began.Before(s.sight.next) {
		return s.sight.last
	}
	s.shareOwn()
	tl := s.timelineBy(&s.sight.builder)
	r := tl.report(tl.views(), s.wall)
	r.Checkpoints = s.story()
	s.t.sign(r, s.spans.traceID)
	if base := s.t.cfg.uiURL; base != "" {
		r.JaegerURL = base + "/trace/" + r.TraceID // the culprit's span has not been sent
	}
	now := time.Now()
	s.sight.last, s.sight.next = r, now.Add(max(sightRest, sightShare*now.Sub(began)))
	return r
}

// shareOwn tells the sight's builder what the kernel has said about peers. The
// sight's lock must be held.
func (s *Shutdown) shareOwn() {
	s.building.Lock()
	defer s.building.Unlock()
	for id, p := range s.builder.peers {
		if p.asked > 0 && s.sight.builder.peers != nil {
			s.sight.builder.peers[id] = p
		}
	}
}
