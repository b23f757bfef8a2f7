// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strings"
	"testing"
	"time"
)

// notServingAt is a health server that was told, from when to when.
func notServingAt(start, end time.Duration) change {
	return func(tl *timeline) {
		tl.lead = max(tl.lead, -start)
		tl.steps = append(tl.steps, stepLine{phaseLine: phaseLine{PhaseNotServing, start, end}})
	}
}

// TestU43NotServingUnseen: NOT_SERVING right before the listeners close is seen by
// nobody, which matters where clients come.
func TestU43NotServingUnseen(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes []change
		want    string
	}{
		{"both at once", []change{notServingAt(-ms, -400*us), listener(us, us, us), unserved(ms)},
			"NOT_SERVING came 401µs before"},
		{"no clients", []change{notServingAt(-ms, -400*us), oneListener}, ""},
		{"no health server", []change{oneListener, unserved(ms)}, ""},
		{"a lame duck that is too short", []change{notServingAt(-500*ms, -500*ms), oneListener, unserved(ms)},
			"NOT_SERVING came 500ms before"},
		{"a second", []change{notServingAt(-sec, -sec), oneListener, unserved(ms)}, ""},
		{"a health server that hangs", []change{notServingAt(-sec, never), oneListener, unserved(ms)}, ""},
		{"nothing was served", []change{notServingAt(-ms, -ms), unserved(ms)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tl := returnedAt(10*sec, tt.changes...)
			var got string
			for _, n := range tl.notes(tl.views()) {
				if n.Kind == noteClients && strings.HasPrefix(n.Text, "NOT_SERVING") {
					got += n.Text
				}
			}
			if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
				t.Errorf("the note is %q, want %q", got, tt.want)
			}
		})
	}
}
