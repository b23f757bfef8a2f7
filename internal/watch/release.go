// SPDX-License-Identifier: Apache-2.0

package watch

import "time"

// Released is closed when a forced stop goes on without the listener: whoever
// waits for its Accept or its Close is not to wait any longer.
func (l *Listener) Released() <-chan struct{} { return l.released }

// AcceptAbandoned is called before AcceptEnd when the Accept was left alone.
func (l *Listener) AcceptAbandoned() {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	l.acceptAbandoned = true
}

// CloseAbandoned is called before CloseEnd when the Close was left alone.
func (l *Listener) CloseAbandoned() {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	l.closeAbandoned = true
}

// returns is within what the Accept and the Close of a listener that is being
// closed return, if they do.
const returns = 20 * time.Millisecond

// ReleaseListeners ends the wait for the Accepts and Closes that have not
// returned, and for those that begin until Unwatch. A listener is not released
// before its Close has begun: until then grpc would take the Accept's error for
// one of the network.
func (s *Server) ReleaseListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releasing = true
	for _, l := range s.listeners {
		l.releaseLocked()
	}
}

// releaseLocked needs srv.mu.
func (l *Listener) releaseLocked() {
	if !l.srv.releasing || l.closeBegin == 0 || l.releasing {
		return
	}
	l.releasing = true
	rest := returns - time.Duration(l.srv.Now()-l.closeBegin)
	if rest <= 0 {
		close(l.released)
		return
	}
	time.AfterFunc(rest, func() { close(l.released) })
}
