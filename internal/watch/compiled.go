// SPDX-License-Identifier: Apache-2.0

package watch

// Boundary is a moment in grpc's stop that only its own source tells exactly: where
// that is instrumented, see package weave.
type Boundary int

// The boundaries, in their order.
const (
	ListenersClosing Boundary = iota // stop has the lock and begins to close them
	ListenersClosed                  // the last Close has returned
	HandshakesOver                   // neither an accept loop nor a handshake is left
	GoAwayQueued                     // every connection has been told to go, or closed
	ConnsGone                        // no connection is left
	boundaries
)

// Compiled is what grpc's own source has told of one stop.
type Compiled struct {
	told [boundaries]bool // it is going to be
	at   [boundaries]Instant
}

// At is when b was crossed; zero: it has not been. ok is false if nobody tells.
func (c *Compiled) At(b Boundary) (at Instant, ok bool) { return c.at[b], c.told[b] }

// Tells says that b will be told of each stop. It is called before the first.
func (s *Server) Tells(b Boundary) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compiled.told[b] = true
}

// Crossed is called when b was crossed at a moment. Of several stop calls the first
// that crosses it counts. It wakes nobody: the sensors do that.
func (s *Server) Crossed(b Boundary, at Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchedSince.get() == 0 || s.compiled.at[b] != 0 {
		return
	}
	s.compiled.at[b] = at
}
