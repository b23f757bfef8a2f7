// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// rows counts bars, those below them included, and the holders that they stand
// for.
func rows(bars []Bar) (n, holders int) {
	for _, b := range bars {
		below, held := rows(b.Bars)
		n += 1 + below
		holders += held + max(b.More, 1)
	}
	return n, holders
}

// crowdOf is connections with rpcs each. The later one was made, the longer it
// holds, and so do its RPCs.
func crowdOf(conns, rpcs int) *timeline {
	changes := []change{oneListener}
	for i := range conns {
		gone := sec + time.Duration(i)*ms
		changes = append(changes, conn(told(0), goneAt(gone)))
		for j := range rpcs {
			changes = append(changes, stream(-sec, gone-time.Duration(rpcs-1-j)*100*time.Microsecond))
		}
	}
	return returnedAt(sec+time.Duration(conns)*ms, changes...)
}

// TestBarsAreBounded: at most maxRows a phase, and no holder is left out
// uncounted.
func TestBarsAreBounded(t *testing.T) {
	for _, tt := range []struct{ conns, rpcs int }{
		{1, 1}, {1, 3}, {1, 40}, {1, 49}, {1, 50}, {1, 1000},
		{3, 60}, {10, 19}, {10, 20}, {49, 3}, {49, 4}, {50, 2}, {50, 3}, {50, 1000}, {51, 1}, {1000, 30},
	} {
		t.Run(fmt.Sprintf("%d connections, %d RPCs each", tt.conns, tt.rpcs), func(t *testing.T) {
			tl := crowdOf(tt.conns, tt.rpcs)
			r := tl.report(tl.views(), time.Time{})
			for _, p := range r.Phases {
				n, holders := rows(p.Bars)
				if n > maxRows {
					t.Errorf("%s: %d rows, want at most %d", p.Name, n, maxRows)
				}
				if p.Name != PhaseConnWait {
					continue
				}
				shown := min(tt.conns, maxBars)
				if want := tt.conns + shown*tt.rpcs; holders != want {
					t.Errorf("the bars stand for %d holders, want %d", holders, want)
				}
				whole := tt.conns + tt.conns*tt.rpcs
				if fit := whole <= maxRows && max(tt.conns, tt.rpcs) <= maxBars; fit && n != whole {
					t.Errorf("%d rows, want all %d: they fit", n, whole)
				}
			}
		})
	}
}

// TestBarsKeepTheCulprit: its connection and its RPC have a bar that is marked,
// although it held for less time than the others in its phase and below its
// connection.
func TestBarsKeepTheCulprit(t *testing.T) {
	changes := []change{oneListener}
	for range 300 {
		changes = append(changes, conn(told(0), goneAt(9*sec)))
		for range 100 {
			changes = append(changes, unary(-sec, 9*sec))
		}
	}
	// Its client opened the stream late, and let go last.
	changes = append(changes, conn(told(0), goneAt(10*sec)))
	for range 100 {
		changes = append(changes, unary(-sec, 9*sec+900*ms))
	}
	changes = append(changes, stream(9*sec+500*ms, 10*sec, inRecv(400*ms)))
	tl := returnedAt(10*sec, changes...)
	views := tl.views()
	culprit := tl.longest(views).culprit
	if culprit == nil || culprit.Method != chat.Name {
		t.Fatalf("the verdict is not about the stream: %s", tl.verdict(views))
	}
	bars := tl.report(views, time.Time{}).Phases[4].Bars
	var path []string
	for len(bars) > 0 {
		at := -1
		for i, b := range bars {
			if b.Culprit {
				at = i
			}
		}
		if at < 0 {
			break
		}
		path = append(path, bars[at].Name)
		bars = bars[at].Bars
	}
	if got, want := fmt.Sprint(path), "[connection rpc Greeter/Chat]"; got != want {
		t.Errorf("the bars that are marked are %s, want %s", got, want)
	}
}

// TestMoreLastsFromFirstToLast of those that it stands for.
func TestMoreLastsFromFirstToLast(t *testing.T) {
	hs := make([]holder, maxBars+2)
	for i := range hs {
		hs[i] = holder{start: sec, end: 9 * sec, Holder: Holder{Held: Duration(8 * sec)}}
	}
	hs[7].start, hs[7].end, hs[7].Held = 2*sec, 3*sec, Duration(sec)
	hs[9].start, hs[9].end, hs[9].Held = 4*sec, 5*sec, Duration(sec)
	list := bars(hs)
	got := list[len(list)-1]
	want := Bar{Name: "2 more", Offset: Duration(2 * sec), Duration: Duration(3 * sec), More: 2}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the last bar is %+v, want 2 more from 2s for 3s", got)
	}
}
