// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"github.com/gracetrace/gracetrace/internal/watch"
)

// maxJoined bounds the stop calls that are told: somebody may try in a loop.
const maxJoined = 100

// joined is a stop call on a server that was being stopped.
type joined struct {
	call         string
	at, returned watch.Instant
	inside       uint64
}

// Joined is called when another stop call, of the name GracefulStop, Stop or
// Shutdown, comes while this shutdown lasts, and done when that one returns. It
// must be called on the goroutine of the stop call: whether that is a handler's
// is read from its stack. A handler that made the call in a goroutine of its own
// is not seen.
func (s *Shutdown) Joined(call string) (done func()) {
	j := &joined{call: call, at: s.t.table.Now(), inside: s.t.handlerAbove()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.joined) == maxJoined {
		return func() {}
	}
	s.joined = append(s.joined, j)
	return func() {
		now := s.t.table.Now()
		s.mu.Lock()
		defer s.mu.Unlock()
		if j.returned == 0 {
			j.returned = now
		}
	}
}

// stopLines are the stop calls after the first. s.mu must be held.
func (s *Shutdown) stopLines(b *builder) []stopLine {
	var lines []stopLine
	for _, j := range s.joined {
		lines = append(lines, stopLine{
			call: j.call, at: b.since(j.at), returned: b.since(j.returned),
			inside: j.inside,
		})
	}
	return lines
}
