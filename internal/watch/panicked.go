// SPDX-License-Identifier: Apache-2.0

package watch

// Returns is deferred around a handler, after its End: the handler sets returned
// when it has. If it has not, Panicked is called, while the handler's stack is
// still there. Nothing is recovered.
func (s *Server) Returns(r *RPC, returned *bool) {
	if !*returned {
		s.unwinds(r)
	}
}

func (s *Server) unwinds(r *RPC) {
	if s.Panicked == nil {
		return
	}
	r.shard.mu.Lock()
	state := r.state(s.watchedSince.get(), s.Now())
	r.shard.mu.Unlock()
	s.Panicked(state)
}
