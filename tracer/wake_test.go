// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"
)

// TestLetGo has when grpc's stop is past its last connection, which it says by
// returning, unless it waits for a handler.
func TestLetGo(t *testing.T) {
	const soon, late = sec + letGoWithin, sec + letGoWithin + 1
	last := conn(told(0), goneAt(sec))
	cutAt := func(at time.Duration) change { return func(tl *timeline) { tl.cutAll = at } }
	for _, tt := range []struct {
		name string
		tl   *timeline
		want time.Duration // end of the wait for connections
	}{
		{"it returns at once", returnedAt(sec, oneListener, last), sec},
		{"it has to be woken", returnedAt(soon, oneListener, last), soon},
		{"that does not take so long", returnedAt(late, oneListener, last), sec},
		{"its handler had ended", returnedAt(soon, oneListener, last, unary(0, sec)), soon},
		{"it ran on", returnedAt(soon, oneListener, last, unary(0, soon-ms)), sec},
		{"Stop does not wait for it", returnedAt(soon, onlyStop, oneListener, last, unary(0, 9*sec)), soon},
		{"unless it was told to", returnedAt(soon, onlyStop, oneListener, last, unary(0, soon-ms)), sec},
		{
			"for which a moment is too short",
			returnedAt(sec+letGoAlone, onlyStop, oneListener, last, unary(0, sec+ms)), sec + letGoAlone,
		},
		{"it had none", returnedAt(soon, oneListener, raw(settledAt(sec), goneAt(sec))), sec},
		{"it has not returned", unfinishedAt(soon, oneListener, last), sec},
		{"nor will it", unfinishedAt(soon, oneListener, last, givenUp), sec},
		{
			"forced: that Stop returns before, which waits for no handler",
			returnedAt(9*sec, oneListener, last, unary(0, 9*sec), forcedAt(sec/2), cutAt(soon)), soon,
		}, {
			"forced, and told to wait for handlers",
			returnedAt(9*sec, oneListener, last, unary(0, soon-ms), forcedAt(sec/2), cutAt(soon)), sec,
		}, {
			"forced, and it has not returned",
			returnedAt(9*sec, oneListener, last, unary(0, 9*sec), forcedAt(sec/2)), sec,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lines := tt.tl.phases()
			for _, l := range lines {
				if l.phase == PhaseHandlerWait {
					if l.start != tt.want {
						t.Errorf("handler wait begins at %s, want %s", l.start, tt.want)
					}
					return
				}
			}
			if end := lines[len(lines)-1].end; end != tt.want && !tt.tl.abandoned {
				t.Errorf("it ends at %s, want %s, without a handler wait", end, tt.want)
			}
		})
	}
}
