// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPhasesAreSentWhileItLasts: not at once, which most stops need not pay for,
// and before the first checkpoint.
func TestPhasesAreSentWhileItLasts(t *testing.T) {
	for wait, want := range map[time.Duration]bool{endedDelay - 1: false, endedDelay: true} {
		synctest.Test(t, func(t *testing.T) {
			tr, _ := newTestTracer(t)
			drain := tableOf(tr, 1, 1)
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			defer s.Finish(t.Context())
			time.Sleep(ms)
			drain()
			time.Sleep(wait)
			synctest.Wait()
			phase := phaseView{phaseLine: phaseLine{phase: PhaseGoAway}}
			if got := s.spans.sent[phase.key()]; got != want {
				t.Errorf("%s after its end a phase was sent: %t", wait, got)
			}
		})
	}
}
