// SPDX-License-Identifier: Apache-2.0

package accuracy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// sample is one boundary of one shutdown: public hook less grpc's own source.
type sample struct {
	boundary
	kind  string
	conns int
	off   time.Duration
}

type samples struct {
	all   []sample
	conns int
}

// cut is by how much a report's times are early: it has whole microseconds.
const cut = time.Microsecond

// add compares one shutdown. Which of the two comes first is certain where one
// goroutine stamps both, or one waits for the other.
func (s *samples) add(t *testing.T, kind string, conns int, hooks, grpcs moments) {
	t.Helper()
	s.conns += conns
	for b := range boundaries {
		if hooks[b] == 0 || grpcs[b] == 0 {
			continue
		}
		off := time.Duration(hooks[b] - grpcs[b])
		s.all = append(s.all, sample{b, kind, conns, off})
		switch b {
		case called, closed, shaken:
			if off > 0 {
				t.Errorf("%s: %s is %s late, and comes before grpc's", kind, b, off)
			}
		case closing, returned:
			if off < -cut {
				t.Errorf("%s: %s is %s early, and comes after grpc's", kind, b, -off)
			}
		case told, gone: // neither waits for the other
		}
	}
}

// wantEach wants a sample of each boundary and shutdown: a GOAWAY has none where Stop
// was called.
func (s *samples) wantEach(t *testing.T, n int) {
	t.Helper()
	for b := range boundaries {
		got := len(s.of(func(s *sample) bool { return s.boundary == b }))
		want := n
		if b == told {
			want = n / 2
		}
		if got < want || got > n {
			t.Errorf("%s: %d samples of %d shutdowns", b, got, n)
		}
	}
}

func (s *samples) of(f func(*sample) bool) (some []sample) {
	for i := range s.all {
		if f(&s.all[i]) {
			some = append(some, s.all[i])
		}
	}
	slices.SortFunc(some, func(a, b sample) int { return cmp.Compare(a.off, b.off) })
	return some
}

const header = "| boundary | n | hook earlier, later | p50 | p99 of the distance | earliest, latest |\n" +
	"|---|---|---|---|---|---|\n"

// table has a row for each boundary.
func (s *samples) table() string {
	var w strings.Builder
	w.WriteString(header)
	for b := range boundaries {
		row(&w, b.String(), s.of(func(s *sample) bool { return s.boundary == b }))
	}
	return w.String()
}

// byKind has one for each boundary and kind.
func (s *samples) byKind() string {
	var w strings.Builder
	for b := range boundaries {
		for _, k := range kinds {
			row(&w, b.String()+", "+k.name, s.of(func(s *sample) bool {
				return s.boundary == b && s.kind == k.name
			}))
		}
	}
	return w.String()
}

// worst has the ten of each boundary that are furthest from grpc's.
func (s *samples) worst() string {
	var w strings.Builder
	for b := range boundaries {
		all := s.of(func(s *sample) bool { return s.boundary == b })
		slices.SortFunc(all, func(a, b sample) int { return cmp.Compare(b.off.Abs(), a.off.Abs()) })
		for _, x := range all[:min(len(all), 10)] {
			fmt.Fprintf(&w, "%-22s %10s  %s, %d connections\n", b, x.off, x.kind, x.conns)
		}
	}
	return w.String()
}

func row(w *strings.Builder, name string, sorted []sample) {
	n := len(sorted)
	if n == 0 {
		return
	}
	later := 0
	far := make([]time.Duration, n)
	for i, s := range sorted {
		if s.off > 0 {
			later++
		}
		far[i] = s.off.Abs()
	}
	slices.Sort(far)
	fmt.Fprintf(w, "| %s | %d | %d, %d | %s | %s | %s, %s |\n", name, n, n-later, later,
		short(sorted[n/2].off), short(far[(n-1)*99/100]), short(sorted[0].off), short(sorted[n-1].off))
}

func short(d time.Duration) string { return d.Round(100 * time.Nanosecond).String() }
