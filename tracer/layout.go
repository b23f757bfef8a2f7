// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// tick is Jaeger's resolution. Its critical path wants a child to end strictly
// before the next one starts, so neighbours are laid out at least one apart.
const tick = time.Microsecond

// bounds is where a span is drawn, from the call.
type bounds struct{ start, end time.Duration }

// after lays a phase out behind the one before, which ended at prev. A span is
// at least one tick long.
func after(prev, start, end time.Duration) bounds {
	b := bounds{start: max(start.Truncate(tick), prev+tick)}
	b.end = max(end.Truncate(tick), b.start+tick)
	return b
}

// within lays siblings out inside their parent: never outside of it, and where
// one begins at the tick at which another ended, one tick later.
func within(parent bounds, hs []*holder) []bounds {
	out := make([]bounds, len(hs))
	order := make([]int, len(hs))
	for i, h := range hs {
		order[i] = i
		start := min(max(h.start.Truncate(tick), parent.start), parent.end)
		out[i] = bounds{start, max(start, min(h.end.Truncate(tick), parent.end))}
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(out[a].start - out[b].start) })
	ends := make(map[time.Duration]bool, len(hs))
	for _, i := range order {
		b := &out[i]
		if ends[b.start] && b.start+tick <= b.end {
			b.start += tick
		}
		ends[b.end] = true
	}
	return out
}
