// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestNextCheckpoint has the schedule: at 1, 3 and 6 s, then every 5 s; after a
// minute the spacing doubles, up to 1 min.
func TestNextCheckpoint(t *testing.T) {
	want := []int{1, 3, 6, 11, 16, 21, 26, 31, 36, 41, 46, 51, 56, 61, 71, 91, 131, 191, 251, 311}
	var got []int
	for at := time.Duration(0); len(got) < len(want); {
		at = nextCheckpoint(at)
		got = append(got, int(at/sec))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("seconds (-want +got):\n%s", diff)
	}
}

// TestCheckpointsAreBounded: ten hours of a shutdown that six connections hold.
func TestCheckpointsAreBounded(t *testing.T) {
	spans := record(t, func(s *spans) {
		for at := nextCheckpoint(0); at < 10*time.Hour; at = nextCheckpoint(at) {
			changes := []change{oneListener}
			for range 6 {
				changes = append(changes, conn(told(0)), unary(-sec, never))
			}
			tl := unfinishedAt(at, changes...)
			s.checkpoint(tl, tl.views())
		}
	})
	if n := len(spans); n > maxProgressSpans || n < maxProgressSpans-4 {
		t.Errorf("%d spans, want nearly %d", n, maxProgressSpans)
	}
	below := make(map[string]int)
	for _, sp := range spans {
		if !strings.HasPrefix(sp.Name(), spanCheckpoint) {
			below[sp.Parent().SpanID().String()]++
		}
	}
	for _, sp := range spans {
		if !strings.HasPrefix(sp.Name(), spanCheckpoint) {
			continue
		}
		if n := below[sp.SpanContext().SpanID().String()]; n != maxCheckpointHolders {
			t.Errorf("%d holders below a checkpoint, want %d", n, maxCheckpointHolders)
		}
	}
}

// TestCheckpointNamesWhatHoldsNow and nothing that has let go.
func TestCheckpointNamesWhatHoldsNow(t *testing.T) {
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"an RPC rather than its connection",
			unfinishedAt(3*sec, oneListener, conn(told(0)), unary(-sec, never)),
			"checkpoint conn wait: rpc Greeter/SayHello",
		}, {
			"the connection whose RPC has ended",
			unfinishedAt(3*sec, oneListener, conn(told(0), streams(1)), unary(-sec, 2*sec)),
			"checkpoint conn wait: connection",
		}, {
			"not a connection that is gone",
			unfinishedAt(3*sec, oneListener, conn(told(0)), conn(told(0), goneAt(2*sec))),
			"checkpoint conn wait: connection",
		}, {
			"a listener and a handshake",
			unfinishedAt(3*sec, listener(0, 0, never), raw()),
			"checkpoint handshake wait: listener, handshake",
		}, {
			"a handler",
			unfinishedAt(3*sec, oneListener, unary(-sec, never)),
			"checkpoint handler wait: handler Greeter/SayHello",
		}, {
			"what survives a forced stop",
			unfinishedAt(3*sec, oneListener, conn(told(0)), forcedAt(2*sec)),
			"checkpoint forced stop: connection",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spans := record(t, func(s *spans) { s.checkpoint(tt.tl, tt.tl.views()) })
			var names []string
			for _, sp := range spans[1:] {
				names = append(names, sp.Name())
			}
			got := fmt.Sprintf("%s: %s", spans[0].Name(), strings.Join(names, ", "))
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
