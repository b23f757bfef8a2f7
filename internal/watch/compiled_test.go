// SPDX-License-Identifier: Apache-2.0

package watch

import "testing"

// TestCompiled keeps what grpc's source tells of one stop: the first of several
// calls, and nothing of the stop before.
func TestCompiled(t *testing.T) {
	s := NewServer()
	s.Tells(ConnsGone)
	at := func() Instant {
		snap := s.Snapshot()
		i, ok := snap.Compiled.At(ConnsGone)
		if !ok {
			t.Fatal("ConnsGone is told, and At says it is not")
		}
		return i
	}
	s.Crossed(ConnsGone, 1)
	if got := at(); got != 0 {
		t.Errorf("crossed at %d, when no stop was watched", got)
	}
	s.Watch(func() {})
	s.Crossed(ConnsGone, 2)
	s.Crossed(ConnsGone, 3)
	if got := at(); got != 2 {
		t.Errorf("crossed at %d, want 2, by the first of two calls", got)
	}
	s.Unwatch()
	s.Watch(func() {})
	if got := at(); got != 0 {
		t.Errorf("crossed at %d, in the stop before", got)
	}
	snap := s.Snapshot()
	if _, ok := snap.Compiled.At(ListenersClosed); ok {
		t.Error("ListenersClosed is not told, and At says it is")
	}
}
