// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func told(l *lifecycle)        { l.conn.Inside(true, true) }
func toldToLeave(l *lifecycle) { l.conn.Inside(false, true) }
func drain(l *lifecycle)       { l.conn.GoAwayQueued() }
func closing(l *lifecycle)     { l.conn.Closing() }
func left(l *lifecycle)        { l.conn.Left() }
func write(l *lifecycle)       { l.conn.WriteBegin(); l.conn.WriteEnd(9) }
func writeFails(l *lifecycle)  { l.conn.WriteBegin(); l.conn.WriteEnd(0) }
func wait(d time.Duration) step {
	return func(*lifecycle) { time.Sleep(d) } // of the bubble's
}

// handsGoAway is grpc's outgoingGoAwayHandler.
func handsGoAway(l *lifecycle) { l.conn.GoAwayBegin(); l.conn.GoAwayEnd() }

// unseen is a transport without frames: TLS whose credentials are not wrapped.
var unseen = []step{handshakeBegin, readBegin, readOK, handshakeEnd, told, readBegin}

// TestInsideLeaves: where grpc says itself when it lets go of a connection, neither
// its socket's Close nor its reader counts.
func TestInsideLeaves(t *testing.T) {
	for name, steps := range map[string][]step{
		"after all":                     {closing, readErr, closed, closed, left},
		"its Close hangs":               {closing, readErr, left},
		"its reader is blocked":         {readOK, closing, closed, wait(time.Minute), left},
		"and once more, which is wrong": {closed, readErr, left, left},
	} {
		for _, when := range []string{"at rest", "during a shutdown"} {
			t.Run(name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLifecycle(t)
					if when != "at rest" {
						watched(l)
					}
					head := append(append([]step{}, transport...), toldToLeave)
					want := len(head)
					for i, s := range steps {
						steps[i] = func(l *lifecycle) {
							s(l)
							if l.conn.state().Gone == 0 {
								want = len(head) + i + 1
								if got := l.counts(); got.Table != 1 || got.Open != 1 {
									t.Errorf("step %d: grpc has it still, and the table %+v", i, got)
								}
							}
						}
					}
					_, gone := l.run(append(head, steps...))
					if gone != want {
						t.Errorf("let go by step %d, want %d, when grpc did", gone, want)
					}
					if diff := cmp.Diff(counts{}, l.counts()); diff != "" {
						t.Errorf("the table is not empty (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

// TestInsideTooLate: a connection that was closed before grpc could serve it is
// not waited for.
func TestInsideTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle(t)
		_, gone := l.run(append(append([]step{}, transport...), readErr, closed, told))
		if want := len(transport) + 1; gone != want {
			t.Errorf("let go by step %d, want %d", gone, want)
		}
	})
}

// TestInsideGoAways has what is known of the GOAWAYs of a connection without frames.
// Times are in milliseconds after the stop.
func TestInsideGoAways(t *testing.T) {
	type exchange struct{ GoAway, PingAck, Final int64 }
	for _, tt := range []struct {
		name  string
		steps []step
		want  exchange
	}{
		{"nobody told it", nil, exchange{}},
		{"queued", []step{drain}, exchange{}},
		{"in the write buffer", []step{drain, handsGoAway}, exchange{}},
		{"has left", []step{drain, handsGoAway, write}, exchange{GoAway: 3}},
		{"a Write that failed has not brought it", []step{drain, handsGoAway, writeFails}, exchange{}},
		{"a Write before it has not brought it", []step{drain, write, handsGoAway}, exchange{}},
		{"acknowledged", []step{drain, handsGoAway, write, handsGoAway}, exchange{3, 4, 4}},
		{
			"not acknowledged", []step{drain, handsGoAway, write, wait(5 * time.Second), handsGoAway},
			exchange{3, 0, 5005},
		},
		{"only the final one, for too many pings", []step{handsGoAway}, exchange{1, 0, 1}},
		{"it is closing, grpc drops it", []step{drain, closing, handsGoAway}, exchange{}},
		{
			"told twice, by max_age and the stop", []step{drain, handsGoAway, drain, write},
			exchange{GoAway: 4},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLifecycle(t)
				state, _ := l.run(append(append(append([]step{}, unseen...), watched), tt.steps...))
				at := func(i Instant) int64 {
					if i == 0 {
						return 0
					}
					return time.Duration(i - l.call).Milliseconds()
				}
				got := exchange{at(state.GoAway), at(state.PingAck), at(state.FinalGoAway)}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if !state.Inside {
					t.Error("its exchange is not said to be known")
				}
			})
		})
	}
}

// TestInsideGoAwaysAtRest: nobody looks at each Write then.
func TestInsideGoAwaysAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle(t)
		state, _ := l.run(append(append([]step{}, unseen...), drain, handsGoAway))
		if state.GoAway == 0 {
			t.Error("a GOAWAY for max_age is not known")
		}
	})
}

// TestFramesWin: what has left is better known by the frames.
func TestFramesWin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle(t)
		state, _ := l.run(append(append([]step{}, transport...), told, watched, drain, handsGoAway, write))
		if state.GoAway != 0 || state.Inside {
			t.Errorf("GOAWAY at %d although no frame has left, inside %t", state.GoAway, state.Inside)
		}
	})
}
