// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"time"
)

// emptyPoll is how often an unannounced shutdown looks whether anything is
// left. Nobody says when grpc's call returns.
const emptyPoll = 20 * time.Millisecond

// unannounced begins the shutdown of a server whose last listener is being
// closed although no stop was announced.
func (t *Tracer) unannounced() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current != nil {
		return
	}
	s := t.beginLocked(Call{Graceful: true, unannounced: true})
	s.followed = make(chan struct{})
	go s.follow()
}

// follow ends an unannounced shutdown when nothing is left of the server.
func (s *Shutdown) follow() {
	defer close(s.followed)
	tick := time.NewTicker(emptyPoll)
	defer tick.Stop()
	for !s.t.table.Empty() {
		select {
		case <-tick.C:
		case <-s.quit:
			return
		}
	}
	select {
	case <-s.quit:
		return
	default:
	}
	s.returnedAtLast()
	s.Finish(context.Background())
}

// returnedAtLast puts the return to when the last holder let go.
func (s *Shutdown) returnedAtLast() {
	tl, _ := s.view()
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

// infer says which call an unannounced shutdown was: where frames were seen and
// no connection sent a GOAWAY, it was Stop.
func (tl *timeline) infer() {
	if !tl.unannounced {
		return
	}
	seen := false
	for i := range tl.conns {
		c := &tl.conns[i]
		if !c.transport || !c.frames || c.gone <= 0 {
			continue
		}
		if c.goAway != never || c.gone > tl.now {
			return
		}
		seen = true
	}
	tl.graceful = !seen
}

// adopt hands an unannounced shutdown to a stop call that was announced after
// all. It reports whether there was one to hand over.
func (s *Shutdown) adopt(c Call) bool {
	if s.followed == nil {
		return false
	}
	handed := false
	s.quitOnce.Do(func() {
		close(s.quit)
		handed = true
		s.mu.Lock()
		defer s.mu.Unlock()
		s.call = c
	})
	return handed
}

// giveUp ends an unannounced shutdown that still lasts.
func (s *Shutdown) giveUp() {
	if s.followed == nil {
		return
	}
	if s.adopt(s.announced()) {
		<-s.followed
		s.Finish(context.Background())
	}
	<-s.followed
}
