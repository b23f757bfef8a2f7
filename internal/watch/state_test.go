// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestConnHolds has the moments at which a connection is still held.
func TestConnHolds(t *testing.T) {
	served := func(steps ...step) []step { return append(append([]step{}, transport...), steps...) }
	wait := func(*lifecycle) { time.Sleep(readerBlocked) } // of the bubble's
	for _, tt := range []struct {
		name  string
		steps []step
		want  counts
	}{
		{"accepted", nil, counts{Table: 1, Shaking: 1}},
		{"shaking hands", []step{handshakeBegin}, counts{Table: 1, Shaking: 1}},
		{"closed in the handshake, which has not noticed", []step{handshakeBegin, closed},
			counts{Table: 1, Shaking: 1}},
		{"a transport", transport, counts{Table: 1, Unsent: 1, Open: 1}},
		{"GOAWAY has left", served(goAway), counts{Table: 1, Open: 1}},
		{"and the final one", served(goAway, finalGoAway), counts{Table: 1, Open: 1}},
		{"closed, and its reader has not noticed", served(closed), counts{Table: 1, Unsent: 1, Open: 1}},
		{"its reader has failed, nobody has closed", served(readErr), counts{Table: 1, Unsent: 1, Open: 1}},
		{"closed under a reader that is blocked elsewhere", served(readOK, wait, closed, closed),
			counts{Table: 1, Unsent: 1, Open: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLifecycle(t)
				watched(l)
				state, _ := l.run(tt.steps)
				if diff := cmp.Diff(tt.want, l.counts()); diff != "" {
					t.Errorf("counts (-want +got):\n%s", diff)
				}
				if state.Transport && state.Gone != 0 {
					t.Error("it is said to be gone")
				}
			})
		})
	}
}

// TestConnBlockedReader: a reader that is blocked outlives a Close until it
// reads again; if it never does, the end of the shutdown forgets it.
func TestConnBlockedReader(t *testing.T) {
	for name, last := range map[string]step{
		"reads again": readErr,
		"never reads": func(l *lifecycle) { l.srv.Unwatch() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLifecycle(t)
				watched(l)
				wait := func(*lifecycle) { time.Sleep(readerBlocked) } // of the bubble's
				l.run(append(append([]step{}, transport...), readOK, wait, closed, closed, last))
				if diff := cmp.Diff(counts{}, l.counts()); diff != "" {
					t.Errorf("the table is not empty (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// TestLongWrite: the Write is kept that was in flight for long when the
// handshake wait ended, which is at 4 s; the shutdown begins at 2 s.
func TestLongWrite(t *testing.T) {
	type write struct{ since, until time.Duration }
	const s = time.Second
	for _, tt := range []struct {
		name   string
		writes []write
		want   write
	}{
		{"in flight since before the shutdown", []write{{0, 9 * s}}, write{0, 9 * s}},
		{"since the handshake wait", []write{{3 * s, 9 * s}}, write{3 * s, 9 * s}},
		{"it ended before that was over", []write{{0, 3 * s}}, write{}},
		{"the first of several", []write{{0, 3 * s}, {3 * s, 5 * s}, {5 * s, 9 * s}}, write{3 * s, 5 * s}},
		{"a short one is none", []write{{4*s - 1, 5*s - 2}}, write{}},
		{"nor is one of before the shutdown", []write{{0, s}}, write{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := NewServer()
				l := srv.AddListener(&net.TCPAddr{Port: 1}, "test")
				l.AcceptBegin()
				c := l.Accepted(&net.TCPAddr{Port: 2}, io.NopCloser(nil))
				begin := srv.Now()
				time.AfterFunc(2*s, func() { srv.Watch(func() {}) })
				time.AfterFunc(4*s, func() {
					l.AcceptEnd()
					l.CloseBegin()
					l.CloseEnd()
					c.HandshakeEnd()
				})
				for _, w := range tt.writes {
					at := func(d time.Duration) {
						time.Sleep(d - time.Duration(srv.Now()-begin)) // of the bubble's
					}
					at(w.since)
					c.WriteBegin()
					at(w.until)
					c.WriteEnd(1)
				}
				var got write
				if w := c.longWrite; w.until != 0 {
					got = write{time.Duration(w.since - begin), time.Duration(w.until - begin)}
				}
				if got != tt.want {
					t.Errorf("kept is %v, want %v", got, tt.want)
				}
				time.Sleep(9 * s) // of the bubble's: for the timers
			})
		})
	}
}
