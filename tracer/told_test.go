// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"strings"
	"testing"
	"time"
)

func streamsCancelledAt(at time.Duration) change {
	return func(tl *timeline) { tl.streamsCancelled = at }
}

func recvEnds(method string) change {
	return func(tl *timeline) { tl.endRecv = map[string]bool{method: true} }
}

// TestToldHandler: whether a stream's handler could know of the shutdown.
func TestToldHandler(t *testing.T) {
	const cancelled = "ctx cancelled 2.0s after the call"
	at2 := streamsCancelledAt(2 * sec)
	for _, tt := range []struct {
		name    string
		changes []change
		end     time.Duration // of the stop
		want    string
	}{
		{"in its handler", []change{stream(-sec, 10*sec)}, 10 * sec, "ctx not cancelled by GracefulStop"},
		{"in Recv", []change{stream(-sec, 10*sec, inRecv(10*sec))}, 10 * sec, "not told of the shutdown"},
		{"in Send", []change{stream(-sec, 10*sec, inSend(10*sec))}, 10 * sec, "2 messages in, 1 out"},
		{"a Recv that ends", []change{stream(-sec, 10*sec, inRecv(10*sec), of("a.A/A")), recvEnds("a.A/A")}, 10 * sec,
			"its Recv ends at the drain"},
		{"another method's", []change{stream(-sec, 10*sec, inRecv(10*sec)), recvEnds("a.A/A")}, 10 * sec,
			"not told of the shutdown"},
		{"it is cancelled and returns", []change{stream(-sec, 2*sec+ms), at2}, 2*sec + ms, cancelled},
		{"it is cancelled and goes on", []change{stream(-sec, 10*sec), at2}, 10 * sec, cancelled + " and ignored for 8.0s"},
		{"it is cancelled too late", []change{stream(-sec, sec), at2}, sec, "ctx not cancelled by GracefulStop"},
		{"at once", []change{stream(-sec, 5*sec), streamsCancelledAt(0)}, 5 * sec,
			"ctx cancelled 0µs after the call and ignored for 5.0s"},
		{"a late one", []change{stream(3*sec, 10*sec), at2}, 10 * sec, "its ctx cancelled from the start and ignored for 7.0s"},
		{"cancelled in Recv", []change{stream(-sec, 10*sec, inRecv(10*sec)), at2}, 10 * sec, cancelled + ", which ends no Recv"},
		{"cancelled in Send", []change{stream(-sec, 10*sec, inSend(10*sec)), at2}, 10 * sec, cancelled + ", which ends no Send"},
		{"a unary one is not", []change{unary(-sec, 10*sec), at2}, 10 * sec, "handler running"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changes := append([]change{oneListener, conn(told(0), goneAt(tt.end))}, tt.changes...)
			tl := returnedAt(tt.end, changes...)
			v := tl.verdict(tl.views())
			if !strings.HasSuffix(v, ", "+tt.want) {
				t.Errorf("want %q at the end of\n%s", tt.want, v)
			}
		})
	}
}

// TestNoLackOfASignal: a handler that had one did not lack it.
func TestNoLackOfASignal(t *testing.T) {
	for _, tt := range []struct {
		at     time.Duration
		lacked bool
	}{{never, true}, {9 * sec, true}, {2 * sec, false}} {
		tl := returnedAt(8*sec+ms, oneListener, forcedAt(8*sec), conn(told(0), goneAt(8*sec)),
			stream(-sec, 8*sec+ms), streamsCancelledAt(tt.at))
		if v := tl.verdict(tl.views()); strings.Contains(v, "lacked a signal") != tt.lacked {
			t.Errorf("cancelled at %s: %s", tt.at, v)
		}
	}
}
