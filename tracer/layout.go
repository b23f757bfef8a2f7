// SPDX-License-Identifier: Apache-2.0

package tracer

import "time"

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

// within lays siblings out inside their parent, each at least one tick long and
// none beginning at a tick at which one ends: it then begins later, or where it
// is too short for that, earlier. The parent must be at least one tick long, so
// that nothing ends where it begins.
func within(parent bounds, hs []*holder) []bounds {
	out := make([]bounds, len(hs))
	ends := make(map[time.Duration]bool, len(hs))
	for i, h := range hs {
		start := min(max(h.start.Truncate(tick), parent.start), parent.end)
		end := max(start, min(h.end.Truncate(tick), parent.end), parent.start+tick)
		out[i] = bounds{start, end}
		ends[end] = true
	}
	for i := range out {
		b := &out[i]
		for ends[b.start] && b.start < b.end {
			b.start += tick
		}
		for ends[b.start] {
			b.start -= tick
		}
	}
	return out
}
