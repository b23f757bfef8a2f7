// SPDX-License-Identifier: Apache-2.0

package watch

// Outline is what a shutdown must know of the table as it begins.
type Outline struct {
	Listeners   []ListenerState
	Conns, RPCs int        // how many there are
	Some        []RPCState // of the RPCs in flight
}

// Outline reads at most n RPCs and no connection: it is taken while the server
// begins to stop.
func (s *Server) Outline(n int) Outline {
	o := Outline{RPCs: s.inflight.size()}
	s.mu.Lock()
	o.Conns = len(s.conns) + len(s.closed)
	for _, l := range s.listeners {
		o.Listeners = append(o.Listeners, l.stateLocked())
	}
	s.mu.Unlock()
	o.Some = s.inflight.some(min(n, o.RPCs), s.watchedSince.get(), s.Now())
	return o
}

// Left counts the connections and the RPCs that have not ended.
func (s *Server) Left() (conns, rpcs int) {
	s.mu.Lock()
	conns = s.shaking + s.open
	s.mu.Unlock()
	return conns, s.inflight.running()
}

// running is how many RPCs are in flight.
func (in *inflight) running() (n int) {
	for i := range in.shards {
		sh := &in.shards[i]
		sh.mu.Lock()
		for r := sh.head; r != nil; r = r.next {
			n++
		}
		sh.mu.Unlock()
	}
	return n
}

// some returns the states of at most n RPCs in flight.
func (in *inflight) some(n int, call, now Instant) []RPCState {
	states := make([]RPCState, 0, n)
	for i := range in.shards {
		sh := &in.shards[i]
		sh.mu.Lock()
		for r := sh.head; r != nil && len(states) < n; r = r.next {
			states = append(states, r.state(call, now))
		}
		sh.mu.Unlock()
	}
	return states
}
