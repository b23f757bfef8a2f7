// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestFinishDuringStep: a report that is made while something before or after
// grpc's stop still lasts, because another stop call had no time to wait, is one of
// a shutdown that is over.
func TestFinishDuringStep(t *testing.T) {
	for _, test := range []struct {
		phase Phase
		want  Outcome
	}{
		{PhaseNotServing, OutcomeForced}, // grpc's stop was never called
		{PhaseAppFlush, OutcomeGraceful},
	} {
		t.Run(string(test.phase), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, err := New(context.Background(), WithExporter((&sink{}).factory))
				if err != nil {
					t.Fatal(err)
				}
				s, _ := tr.BeginShutdown(Call{Graceful: true, Later: true})
				if test.phase.isAfter() {
					s.Called()
					s.Returned()
				}
				done := s.Step(test.phase)
				<-time.After(2 * time.Second)
				r := s.Finish(context.Background())
				done()
				if r.Outcome != test.want || strings.Contains(r.Verdict, "so far") {
					t.Errorf("%s, %q", r.Outcome, r.Verdict)
				}
			})
		})
	}
}
