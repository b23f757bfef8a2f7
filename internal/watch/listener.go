// SPDX-License-Identifier: Apache-2.0

package watch

import "net"

// Listener is a listener that may be given to Serve. It enters the table at its
// first Accept: grpc calls it on every listener that it serves, even on one that
// a stop has closed by then, and on no other. One that is never served would
// never be closed by grpc, and all phases would wait for it.
type Listener struct {
	srv      *Server
	addr     net.Addr
	goType   string
	released chan struct{} // closed by a forced stop: see Server.ReleaseListeners

	// Guarded by srv.mu.
	served       bool // it is in the table
	since        Instant
	socket       bool // it accepts sockets
	accepting    bool // an Accept is pending
	failed       bool // the last Accept returned an error
	acceptReturn Instant
	closeBegin   Instant
	closeEnd     Instant
	// A forced stop goes on although this call has not returned.
	acceptAbandoned, closeAbandoned bool
	releasing                       bool // released is closed, or about to be
}

// ListenerState is a snapshot of a Listener.
type ListenerState struct {
	Addr   string
	GoType string

	Since  Instant // its first Accept
	Socket bool    // a connection of it was seen to be a socket

	CloseBegin, CloseEnd Instant
	// AcceptReturned is when its accept loop was over: the last Accept
	// returned with an error and the listener was closed. A loop that sleeps
	// after a temporary error has no Accept pending and counts as over, since
	// grpc's loop leaves that sleep at quit.
	AcceptReturned Instant
	// AcceptAbandoned and CloseAbandoned say that the application's Accept or
	// Close had not returned then: a forced stop went on without it.
	AcceptAbandoned, CloseAbandoned bool
}

// AcceptBegin is called before each Accept.
func (l *Listener) AcceptBegin() {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	if !l.served {
		l.served, l.since = true, l.srv.Now()
		l.srv.addLocked(l)
	}
	l.releaseLocked()
	l.accepting = true
}

// AcceptEnd is called after an Accept that returned an error. One that
// returned a connection is told by [Listener.Accepted].
func (l *Listener) AcceptEnd() {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	l.accepting, l.failed = false, true
	l.acceptReturn = l.srv.Now()
	l.srv.acceptedLocked()
}

// CloseBegin is called before the inner Close. It reports whether this is the
// first one.
func (l *Listener) CloseBegin() (first bool) {
	first, last := l.closeBegins()
	if f := l.srv.AllClosing; f != nil && last {
		f()
	}
	return first
}

// closeBegins also reports whether no listener is left of those that are
// served.
func (l *Listener) closeBegins() (first, last bool) {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	if l.closeBegin != 0 {
		return false, false
	}
	l.closeBegin = l.srv.Now()
	l.releaseLocked()
	return true, l.served && l.srv.allClosingLocked()
}

// CloseEnd is called after the first inner Close has returned.
func (l *Listener) CloseEnd() {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	l.closeEnd = l.srv.Now()
	l.srv.acceptedLocked()
}

// overLocked reports whether the listener is closed and its loop has ended.
func (l *Listener) overLocked() bool {
	return l.closeEnd != 0 && !l.accepting && (l.failed || l.acceptReturn == 0)
}

func (l *Listener) stateLocked() ListenerState {
	s := ListenerState{
		Addr: l.addr.String(), GoType: l.goType, Since: l.since, Socket: l.socket,
		CloseBegin: l.closeBegin, CloseEnd: l.closeEnd,
		AcceptAbandoned: l.acceptAbandoned, CloseAbandoned: l.closeAbandoned,
	}
	if l.overLocked() {
		s.AcceptReturned = max(l.acceptReturn, l.closeBegin)
	}
	return s
}
