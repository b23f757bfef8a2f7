// SPDX-License-Identifier: Apache-2.0

package watch

// Follow has ended called for RPCs that are in flight now, at most n, when their
// handlers have returned: once for each, on the handler's goroutine, so it must
// not block. It returns these RPCs. What an earlier Follow began goes on.
func (s *Server) Follow(n int, ended func(RPCState)) []RPCState {
	var states []RPCState
	now := s.Now()
	for i := range s.inflight.shards {
		sh := &s.inflight.shards[i]
		sh.mu.Lock()
		for r := sh.head; r != nil && len(states) < n; r = r.next {
			if r.ended == nil {
				r.ended = ended
				states = append(states, r.state(0, now))
			}
		}
		sh.mu.Unlock()
	}
	return states
}

// Unfollow ends what Follow began.
func (s *Server) Unfollow() {
	for i := range s.inflight.shards {
		sh := &s.inflight.shards[i]
		sh.mu.Lock()
		for r := sh.head; r != nil; r = r.next {
			r.ended = nil
		}
		sh.mu.Unlock()
	}
}

// over takes what is to be called when r has ended. sh.mu must be held.
func (r *RPC) over(now Instant) (tell func()) {
	ended := r.ended
	if ended == nil {
		return nil
	}
	r.ended = nil
	state := r.state(0, now)
	state.End = now
	return func() { ended(state) }
}
