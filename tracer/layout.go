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

// within lays siblings out inside their parent, each at least one tick long and
// none beginning at a tick at which one ends: it then begins later, or where it
// is too short for that, earlier. The parent must be at least one tick long, so
// that nothing ends where it begins.
//
// Nothing begins or ends with the culprit, where there is room: it is listed
// before those that held for the same time, and the critical path goes through
// it. Jaeger lists by start and takes the first of those that end last; of equals
// that is whichever the storage has named first, which changes.
func within(parent bounds, hs []*holder) []bounds {
	out := make([]bounds, len(hs))
	culprit := slices.IndexFunc(hs, func(h *holder) bool { return h.culprit })
	for i, h := range hs {
		start := min(max(h.start.Truncate(tick), parent.start), parent.end)
		out[i] = bounds{start, max(start, min(h.end.Truncate(tick), parent.end), parent.start+tick)}
	}
	ends := make(map[time.Duration]bool, len(hs))
	for i := range out {
		if b := &out[i]; culprit >= 0 && i != culprit && b.end == out[culprit].end && b.end-b.start > tick {
			b.end -= tick
		}
		ends[out[i].end] = true
	}
	first := never
	if culprit >= 0 {
		out[culprit].begin(ends, never)
		first = out[culprit].start
	}
	for i := range out {
		if i != culprit {
			out[i].begin(ends, first)
		}
	}
	return out
}

// begin moves the start away from where others end, and from taken if it can.
func (b *bounds) begin(ends map[time.Duration]bool, taken time.Duration) {
	for (ends[b.start] || b.start == taken) && b.start < b.end {
		b.start += tick
	}
	for ends[b.start] {
		b.start -= tick
	}
}
