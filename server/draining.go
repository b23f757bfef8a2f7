// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/gracetrace/gracetrace/tracer"

// Draining returns a channel that is closed when the server begins to drain: when
// grpc's stop is about to be called, after a lame duck, by whichever stop call.
// GracefulStop cancels no context, so a handler that would run on for long must
// listen to it and return.
func (s *Server) Draining() <-chan struct{} { return s.draining }

// drains announces that the server drains.
func (s *Server) drains() {
	s.announce.Do(func() {
		s.http.refuse()
		close(s.draining)
	})
}

// notServer is told before clients are: *health.Server is one.
type notServer interface{ Shutdown() }

// notServing tells health checks that the server is leaving.
func (s *Server) notServing(st *stop) {
	if s.health == nil {
		return
	}
	defer st.trace.Step(tracer.PhaseNotServing)()
	s.health.Shutdown()
}
