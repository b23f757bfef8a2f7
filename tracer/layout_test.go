// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"math/rand/v2"
	"testing"
	"time"
)

const us = time.Microsecond

// TestAfter: phases lie behind one another, whole microseconds, none empty.
func TestAfter(t *testing.T) {
	for _, tt := range []struct {
		name             string
		prev, start, end time.Duration
		want             bounds
	}{
		{"far behind the one before", 5 * us, 7 * us, 9 * us, bounds{7 * us, 9 * us}},
		{"where the one before ended", 5 * us, 5 * us, 9 * us, bounds{6 * us, 9 * us}},
		{"it took no time", 5 * us, 5 * us, 5 * us, bounds{6 * us, 7 * us}},
		{"between two microseconds", 1 * us, 7*us + 999, 9*us + 999, bounds{7 * us, 9 * us}},
	} {
		if got := after(tt.prev, tt.start, tt.end); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestWithin has siblings between 10 and 20 µs.
func TestWithin(t *testing.T) {
	type bars []bounds // in units of a microsecond
	for _, tt := range []struct {
		name     string
		in, want bars
	}{
		{"as they are", bars{{11, 15}, {13, 20}}, bars{{11, 15}, {13, 20}}},
		{"outside of the parent", bars{{-5, 300}, {0, 5}, {25, 30}}, bars{{10, 20}, {10, 11}, {19, 20}}},
		{"one begins where another ends", bars{{10, 15}, {15, 20}}, bars{{10, 15}, {16, 20}}},
		{"it is listed first", bars{{15, 20}, {10, 15}}, bars{{16, 20}, {10, 15}}},
		{"it takes no time, at the end", bars{{10, 20}, {20, 20}}, bars{{10, 20}, {19, 20}}},
		{"two of that kind in a row", bars{{10, 15}, {15, 15}, {15, 15}}, bars{{10, 15}, {14, 15}, {14, 15}}},
		{"no room but before", bars{{10, 19}, {19, 20}, {10, 20}}, bars{{10, 19}, {18, 20}, {10, 20}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hs []*holder
			for _, b := range tt.in {
				hs = append(hs, &holder{start: micros(b.start), end: micros(b.end)})
			}
			for i, got := range within(bounds{10 * us, 20 * us}, hs) {
				if want := (bounds{micros(tt.want[i].start), micros(tt.want[i].end)}); got != want {
					t.Errorf("%v becomes %v, want %v", tt.in[i], got, want)
				}
			}
		})
	}
}

func micros(n time.Duration) time.Duration { return time.Duration(n.Nanoseconds() * 1000) }

// TestWithinCulprit: the first of the siblings, in units of a microsecond, is the
// culprit, and whatever held for the same time begins after it and ends before it.
func TestWithinCulprit(t *testing.T) {
	type bars []bounds
	for _, tt := range []struct {
		name     string
		in, want bars
	}{
		{"held for the same time", bars{{10, 20}, {10, 20}, {10, 20}}, bars{{10, 20}, {11, 19}, {11, 19}}},
		{"came later", bars{{15, 20}, {10, 20}}, bars{{15, 20}, {10, 19}}},
		{"was there before", bars{{10, 20}, {15, 20}}, bars{{10, 20}, {15, 19}}},
		{"another had let go", bars{{10, 20}, {10, 15}}, bars{{10, 20}, {11, 15}}},
		{"another came at the end", bars{{10, 20}, {19, 20}}, bars{{10, 20}, {19, 20}}},
		{"another ends where all begin", bars{{10, 20}, {10, 11}}, bars{{10, 20}, {10, 11}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hs []*holder
			for _, b := range tt.in {
				hs = append(hs, &holder{start: micros(b.start), end: micros(b.end)})
			}
			hs[0].culprit = true
			for i, got := range within(bounds{10 * us, 20 * us}, hs) {
				if want := (bounds{micros(tt.want[i].start), micros(tt.want[i].end)}); got != want {
					t.Errorf("%v becomes %v, want %v", tt.in[i], got, want)
				}
			}
		})
	}
}

// TestWithinProperty: whatever the siblings are, each is inside its parent, at
// least a microsecond long, and begins where none ends.
func TestWithinProperty(t *testing.T) {
	for seed := range uint64(5_000) {
		r := rand.New(rand.NewPCG(seed, 2))
		parent := bounds{10 * us, 11*us + time.Duration(r.IntN(20))*us}
		hs := make([]*holder, r.IntN(12))
		for i := range hs {
			start := time.Duration(r.IntN(40_000))
			hs[i] = &holder{start: start, end: start + time.Duration(r.IntN(4)*r.IntN(10_000))}
			hs[i].culprit = i == 0 && seed%2 == 0
		}
		out := within(parent, hs)
		for _, b := range out {
			if b.start < parent.start || b.end > parent.end || b.end-b.start < tick {
				t.Fatalf("seed %d: %v in %v", seed, b, parent)
			}
			if b.start%tick != 0 || b.end%tick != 0 {
				t.Fatalf("seed %d: %v is not in whole microseconds", seed, b)
			}
			for j := range out {
				if out[j].end == b.start {
					t.Fatalf("seed %d: %v begins where %v ends", seed, b, out[j])
				}
			}
		}
	}
}
