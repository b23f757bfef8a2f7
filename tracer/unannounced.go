// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"time"
)

const (
	// emptyPoll is how often an unannounced shutdown looks whether anything is
	// left. Nobody says when grpc's call returns.
	emptyPoll = 20 * time.Millisecond
	// doubtLimit is how long a server whose listeners are closed, and which
	// sends no GOAWAY although no handshake keeps it from that, may be one that
	// is being stopped. Then it is one that serves on without listeners.
	doubtLimit = 2 * time.Second
)

// unannounced is what a Shutdown has that began with a listener's Close.
type unannounced struct {
	quit     chan struct{} // closed when somebody takes it over
	followed chan struct{} // its goroutine has ended; nil: it was announced

	// Guarded by Shutdown.mu.
	taken bool
	sure  bool // a stop, not just a listener that was closed
}

// suspect begins the shutdown of a server whose last listener is being closed
// although no stop was announced. Nothing is sent until it is sure to be one.
func (t *Tracer) suspect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		return
	}
	s := t.beginLocked(Call{Graceful: true, unannounced: true})
	s.quit, s.followed = make(chan struct{}), make(chan struct{})
	go s.follow()
}

// follow ends an unannounced shutdown when nothing is left of the server.
func (s *Shutdown) follow() {
	defer close(s.followed)
	poll := time.NewTicker(emptyPoll)
	defer poll.Stop()
	doubted := time.NewTimer(doubtLimit)
	defer doubted.Stop()
	doubt := doubted.C
	for !s.t.table.Empty() {
		select {
		case <-s.quit:
			return
		case <-doubt:
			if !s.t.table.Shaking() {
				s.t.release(s)
				return
			}
			doubted.Reset(doubtLimit)
		case <-poll.C:
			if doubt != nil && s.t.table.Draining() {
				if !s.confirm() {
					return
				}
				doubt = nil
			}
		}
	}
	if doubt != nil && !s.confirm() {
		return
	}
	if s.take(s.announced()) == takenOver {
		s.returnedAtLast()
		s.Finish(context.Background())
		s.Deliver(context.Background())
	}
}

// confirm starts to send: it is a stop. It reports whether nobody has taken the
// shutdown over, or given it up.
func (s *Shutdown) confirm() bool {
	s.t.mu.Lock() // BeginShutdown must not find it half launched
	defer s.t.mu.Unlock()
	if s.t.current != s { // it was released: nothing is kept for it
		return false
	}
	s.mu.Lock()
	if s.taken || s.sure {
		defer s.mu.Unlock()
		return !s.taken
	}
	s.sure = true
	s.mu.Unlock()
	s.launch()
	return true
}

// takeover is what became of an unannounced shutdown when somebody wanted it.
type takeover int

const (
	takenBefore takeover = iota // by somebody else
	takenOver                   // by the caller, who must finish it
	dropped                     // it was not sure to be one
)

// take hands an unannounced shutdown to the caller.
func (s *Shutdown) take(c Call) takeover {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken {
		return takenBefore
	}
	s.taken = true
	close(s.quit)
	if !s.sure {
		return dropped
	}
	s.call = c
	return takenOver
}

// giveUp ends an unannounced shutdown that still lasts: the process is about to exit,
// perhaps before anybody has looked whether something is left of the server.
func (s *Shutdown) giveUp() {
	if s.followed == nil {
		return
	}
	over := s.t.table.Empty()
	if over || s.t.table.Draining() || s.t.table.Shaking() {
		s.confirm()
	}
	switch s.take(s.announced()) {
	case takenOver:
		if over {
			s.returnedAtLast()
		}
		s.Finish(context.Background())
		s.Deliver(context.Background())
	case dropped:
		s.t.release(s)
	case takenBefore:
	}
	<-s.followed
}

// returnedAtLast puts the return to when the last holder let go.
func (s *Shutdown) returnedAtLast() {
	tl := s.timeline()
	last := time.Duration(0)
	for _, l := range tl.listeners {
		last = max(last, l.closeEnd, l.acceptReturned)
	}
	for i := range tl.conns {
		last = max(last, tl.conns[i].handshakeOver())
		if tl.conns[i].transport {
			last = max(last, tl.conns[i].gone)
		}
	}
	for i := range tl.rpcs {
		last = max(last, tl.rpcs[i].end)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if last <= tl.now && s.returned == 0 {
		s.returned = s.builder.at(last)
	}
}

// infer says which call an unannounced shutdown was: where GOAWAYs are known and
// no connection sent a GOAWAY, it was Stop. Where they did, and at the end this side
// closed all connections that had RPCs left, a Stop came on top.
func (tl *timeline) infer() {
	if !tl.unannounced {
		return
	}
	seen := false
	for i := range tl.conns {
		c := &tl.conns[i]
		if !c.transport || !c.exchange || c.gone <= 0 {
			continue
		}
		if c.goAway != never || c.gone > tl.now {
			tl.forced = min(tl.forced, tl.severed())
			return
		}
		seen = true
	}
	tl.graceful = !seen
}

// severed is when this side began to close connections with RPCs, if none of those
// that were there then had another end; never if it has not.
func (tl *timeline) severed() time.Duration {
	at := never
	for i := range tl.conns {
		c := &tl.conns[i]
		if c.severed && c.goAway < 0 {
			return never // it was drained before, for its age perhaps, which ends by itself
		}
		if c.severed {
			at = min(at, c.closed)
		}
	}
	for i := range tl.conns {
		c := &tl.conns[i]
		if !c.transport || c.gone <= at || c.severed {
			continue
		}
		if c.gone > tl.now || c.streams > 0 || c.streamsDone > at && c.streamsDone != never {
			return never
		}
	}
	return at
}
