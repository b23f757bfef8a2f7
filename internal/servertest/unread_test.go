// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestFrozen pins scenario U11: nothing leaves the server, GOAWAY included, so
// a drain does not even begin on this connection.
func TestFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent int
		s := newTarget(t, &greeter{onWatch: flood(&sent)})
		c, err := Frozen(t.Context(), s.Dial, Call{Method: watch})
		c = peer(t, c, err)

		took := s.gracefulStop()
		before := sent
		wantHeld(t, took, 10*time.Minute)
		if sent != before {
			t.Errorf("the handler sent %d more messages, want it blocked in Send", sent-before)
		}
		wantOpen(t, "the client has a GOAWAY", c.GoAway())
		wantOpen(t, "the client is done", c.Done())
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wantClosed(t, "the client is done", c.Done())
		wantTook(t, took, 10*time.Minute)
	})
}

// TestSlowReader pins scenario U04: the handler is blocked in Send while the
// connection is alive and well.
func TestSlowReader(t *testing.T) {
	for _, window := range []uint32{0, 1 << 10, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			var sent int
			s := newTarget(t, &greeter{onWatch: flood(&sent)})
			c, err := SlowReader(t.Context(), s.Dial, Call{Method: watch}, window)
			c = peer(t, c, err)

			took := s.gracefulStop()
			wantClosed(t, "the client has a GOAWAY", c.GoAway())
			before := sent
			wantHeld(t, took, 10*time.Minute)
			if sent != before {
				t.Errorf("the handler sent %d more messages, want it blocked in Send", sent-before)
			}
			// Documented: grpc-go takes 64 KiB beyond the window.
			most := int(Policy{StreamWindow: window}.streamWindow()) + 65<<10
			if bytes := sent << 10; bytes > most {
				t.Errorf("the handler could send %d bytes before it blocked, want at most %d",
					bytes, most)
			}
			_ = c.Close()
			wantTook(t, took, 10*time.Minute)
		})
	}
}
