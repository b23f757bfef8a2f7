// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"time"
)

// Lanes are the ways out of a session. The first is there from the beginning. The
// second is there in a flush whose first lane waits for an answer: the collector
// is slow, or the connection is dead and nobody has said so.
const (
	firstLane = iota
	secondLane
	lanes
)

const (
	// laneTick is how often Flush looks whether a second lane is needed.
	laneTick = 50 * time.Millisecond
	// slowCall is how long a call may last until what waits behind it in a flush gets
	// a lane of its own.
	slowCall = 200 * time.Millisecond
	// overdueNum of overdueDen parts of a flush's budget are over when what the first
	// lane still has no answer to is sent by the second, too: 1.25 s of 2 s.
	overdueNum, overdueDen = 5, 8
)

// start begins a lane, unless the last one has ended.
func (s *Session) start(lane int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lane == secondLane && (s.second || s.running == 0) {
		return
	}
	s.second = lane == secondLane
	s.running++
	go s.run(lane)
}

// run is a lane's goroutine; Flush and Close wait for it.
func (s *Session) run(lane int) {
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if lane == firstLane {
			close(s.firstDone)
		}
		if s.running--; s.running == 0 {
			s.endBrief()
			close(s.done)
		}
	}()
	p := &sender{
		session: s, lane: lane, build: s.owner.build, window: newWindow(batchBytes),
	}
	defer p.close()
	p.open(s.ctx)
	for {
		b, end := s.q.take(lane, p.window.room)
		switch {
		case len(b.entries) > 0:
			if !p.deliver(s.ctx, b) {
				return
			}
		case end && lane == firstLane:
			return
		case end:
			if !s.relieve(p) {
				return
			}
		default:
			select {
			case <-s.q.wake:
			case <-s.ctx.Done():
				return
			}
		}
	}
}

// relieve is for a second lane that has nothing to send. What the first has had for
// long may be on a dead connection: it is sent again, the same byte by byte. It
// returns false when there is no more to do.
func (s *Session) relieve(p *sender) bool {
	if s.q.idle() {
		s.cancel() // of a call that the first still makes nothing is expected
		return false
	}
	select {
	case <-s.firstDone:
		return s.q.waiting() // it has given up
	case <-s.ctx.Done():
		return false
	case <-s.overdue:
	}
	if b := s.q.takeOver(firstLane, secondLane); len(b.entries) > 0 {
		return p.deliver(s.ctx, b)
	}
	select { // between two calls
	case <-s.firstDone:
		return s.q.waiting()
	case <-s.ctx.Done():
		return false
	}
}

// await waits for the lanes, and begins the second if the first is slow. Only our
// own exporter has one: those of a Factory may share what two must not use at once.
func (s *Session) await(ctx context.Context) {
	tick := time.NewTicker(laneTick)
	defer tick.Stop()
	for {
		if s.isSlow() {
			s.start(secondLane)
		}
		select {
		case <-s.done:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// isSlow reports whether a collector that has answered before lets a call wait, or
// is known to.
func (s *Session) isSlow() bool {
	since := s.calling.Load()
	if s.owner.cfg.Factory != nil || since == 0 || !s.known() {
		return false
	}
	return s.slow.Load() || time.Now().UnixNano()-since >= int64(slowCall)
}

// call notes that the first lane makes a call, until what it returns is called.
func (s *Session) call() (done func()) {
	start := time.Now()
	s.calling.Store(start.UnixNano())
	return func() {
		s.calling.Store(0)
		s.slow.Store(time.Since(start) >= slowCall)
	}
}

// cutBefore reports whether Flush has begun, and ends the lanes before t.
func (s *Session) cutBefore(t time.Time) bool {
	cut := s.cutAt.Load()
	return cut != 0 && cut < t.UnixNano()
}

// known reports whether a collector has ever answered.
func (s *Session) known() bool { return s.worked.Load() || s.owner.answered.Load() }
