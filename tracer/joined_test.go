// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestJoined: stop calls after the first are told with when they came and went,
// a bounded number of them.
func TestJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := newTestTracer(t)
		s, _ := tr.BeginShutdown(Call{Graceful: true, GRPCVersion: "1.85.0"})
		time.Sleep(sec) // of the bubble's
		done := s.Joined("Stop")
		time.Sleep(sec)
		still := s.Joined("Shutdown")
		done()
		time.Sleep(sec)
		done() // changes nothing
		tl, _ := s.view()
		want := []stopLine{
			{call: "Stop", at: sec, returned: 2 * sec},
			{call: "Shutdown", at: 2 * sec, returned: never},
		}
		if diff := cmp.Diff(want, tl.stops, cmp.AllowUnexported(stopLine{})); diff != "" {
			t.Errorf("stop calls (-want +got):\n%s", diff)
		}
		if tl.grpcVersion != "1.85.0" || tl.inside != 0 {
			t.Errorf("version %q, called by %d, want 1.85.0 and no handler", tl.grpcVersion, tl.inside)
		}
		for range 2 * maxJoined {
			s.Joined("Stop")()
		}
		if tl, _ := s.view(); len(tl.stops) != maxJoined {
			t.Errorf("%d stop calls are told, want %d", len(tl.stops), maxJoined)
		}
		s.Returned()
		s.Finish(t.Context())
		still() // long after the end
	})
}
