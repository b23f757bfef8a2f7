// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net/netip"
	"time"

	"github.com/gracetrace/gracetrace/internal/procnet"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// resetCount is how many connections the kernel had reset at a moment.
type resetCount struct {
	at    time.Time
	n     int64
	known bool
}

func countResets() resetCount {
	n, ok := procnet.Resets()
	return resetCount{time.Now(), n, ok}
}

// refusal follows what the kernel refuses during a shutdown.
type refusal struct {
	first resetCount // when the process began to be watched
	call  resetCount
}

// begin is called right after the call. A server whose connections are not known
// to be sockets has nothing that the kernel could refuse.
func (r *refusal) begin(listeners []watch.ListenerState) {
	for _, l := range listeners {
		if l.Socket {
			r.call = countResets()
			return
		}
	}
}

// baseline is for how long resets must have been counted before the call for the
// rise since then to tell anything.
const baseline = 10 * time.Second

// counted returns what was refused since the call, and what of it others would
// have been refused: a namespace may be that of the whole machine. refused is -1
// if it is not known.
func (r *refusal) counted() (refused, background int) {
	if !r.call.known || !r.first.known || r.call.at.Sub(r.first.at) < baseline {
		return -1, 0
	}
	now := countResets()
	if !now.known {
		return -1, 0
	}
	return int(now.n - r.call.n), r.expected(now.at)
}

// expected is how many resets there would have been by now at the rate of the
// time before the call.
func (r *refusal) expected(now time.Time) int {
	rate := float64(r.call.n-r.first.n) / r.call.at.Sub(r.first.at).Seconds()
	return int(rate*now.Sub(r.call.at).Seconds() + 0.5)
}

// countRefused puts what was refused so far into the timelines from now on. It
// reads a file of the kernel's: never on the stop's own goroutine.
func (s *Shutdown) countRefused() {
	n, background := s.refusal.counted()
	inherited := s.isInherited()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused, s.background, s.inherited = n, background, inherited
}

// listenLimit bounds how long the kernel is asked who listens.
const listenLimit = 20 * time.Millisecond

// isInherited reports whether others listen where we did: the process that hands a
// server its socket (systemd's socket activation), or the next one, which has got
// it or has SO_REUSEPORT. It asks only if clients came right before the close.
func (s *Shutdown) isInherited() bool {
	listeners := s.t.table.Outline(0).Listeners
	_, last := s.t.table.Accepted()
	for _, l := range listeners {
		address, err := netip.ParseAddrPort(l.Addr)
		if err != nil || !l.Socket || l.CloseEnd == 0 || l.CloseBegin-last > watch.Instant(stillConnecting) ||
			!procnet.Listening(address, listenLimit) {
			return false
		}
	}
	return len(listeners) > 0
}
