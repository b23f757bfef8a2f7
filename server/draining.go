// SPDX-License-Identifier: Apache-2.0

package server

// Draining returns a channel that is closed when the server begins to drain: when
// grpc's stop is about to be called, after a lame duck, by whichever stop call of
// ours. It never yields a value, and a receive costs the RPC nothing until then.
// GracefulStop cancels no context, so a handler that would run on for long must
// listen to it and return:
//
//	select {
//	case <-srv.Draining():
//		return stream.Send(goodbye)
//	case item := <-items:
//
// [CancelStreams] and [EndRecv] are for handlers that wait for something else. A
// stop of the server that [Server.Unwrap] returns is not seen.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// drains announces that the server drains.
func (s *Server) drains() {
	s.announce.Do(func() {
		s.http.refuse()
		close(s.draining)
		if s.ending.drained != nil {
			s.ending.drained.fire()
		}
		s.cancelLater()
	})
}
