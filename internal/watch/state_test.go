// SPDX-License-Identifier: Apache-2.0

package watch

import (
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
