// SPDX-License-Identifier: Apache-2.0

package tracer

// handlerAbove returns the RPC whose handler the calling goroutine is in, zero if
// it is in none.
func (t *Tracer) handlerAbove() uint64 { return 0 }

// calledBy says which RPC's handler made the stop call.
func (s *Shutdown) calledBy(rpc uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inside = rpc
}
