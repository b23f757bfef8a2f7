// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"net"
	"testing"
)

// TestUnservedListener: a listener that nobody accepts from (an abandoned bind)
// is in no snapshot, keeps the others from nothing, and its Close is no stop.
func TestUnservedListener(t *testing.T) {
	s, stops := NewServer(), 0
	s.AllClosing = func() { stops++ }
	add := func(port int) *Listener { return s.AddListener(&net.TCPAddr{Port: port}, "test") }
	unserved, abandoned, served := add(1), add(2), add(3)
	if !abandoned.CloseBegin() {
		t.Error("its Close is not the first")
	}
	abandoned.CloseEnd()
	if stops != 0 {
		t.Error("the Close of an unserved listener is a stop")
	}
	served.AcceptBegin()
	if got := s.Snapshot().Listeners; len(got) != 1 || got[0].Addr != ":3" {
		t.Errorf("the table has %+v, want the served one", got)
	}
	served.CloseBegin()
	if stops != 1 {
		t.Errorf("the last served one's Close is told %d times, want once", stops)
	}
	served.AcceptEnd()
	served.CloseEnd()
	if !s.Empty() {
		t.Error("an unserved listener holds the server")
	}
	unserved.CloseBegin()
	if stops != 1 {
		t.Error("an unserved listener's Close is a second stop")
	}
}

// TestAcceptAfterClose: a stop that comes between Serve and its first Accept
// closes a listener that is served, for grpc accepts once more.
func TestAcceptAfterClose(t *testing.T) {
	s := NewServer()
	l := s.AddListener(&net.TCPAddr{Port: 1}, "test")
	l.CloseBegin()
	l.CloseEnd()
	l.AcceptBegin()
	if s.Empty() {
		t.Error("its accept loop is not seen")
	}
	l.AcceptEnd()
	got := s.Snapshot().Listeners
	if len(got) != 1 || got[0].CloseBegin == 0 || got[0].AcceptReturned == 0 || !s.Empty() {
		t.Errorf("the table has %+v, want one that is over", got)
	}
}
