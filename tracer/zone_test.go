// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTimesAreUTC: reports of pods in different zones, and those that are read from
// spans, are compared as text, too.
func TestTimesAreUTC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.begin()
		group, _ := h.finish()
		for _, r := range append(group.Members, group) {
			wantUTC(t, "the report", r.Start)
			for _, p := range r.Phases {
				wantUTC(t, string(p.Name), p.Start)
			}
		}
	})
}

func wantUTC(t *testing.T, what string, at time.Time) {
	t.Helper()
	if at.Location() != time.UTC {
		t.Errorf("%s starts at %s, want it in UTC", what, at)
	}
}
