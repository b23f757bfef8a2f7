// SPDX-License-Identifier: Apache-2.0

package exporter

// steadyRuns is how many requests of the steady size must be taken before a
// larger one is tried.
const steadyRuns = 8

// window bounds the size of the next request, in the bytes of [spanSize]. It does
// what TCP does with its congestion window (RFC 5681, section 3.1): what is
// refused is halved, what is taken doubles up to the steady size, which is half
// of what was refused first, and grows again only after a run of successes. So a
// collector that takes N spans at once is asked for more in one of nine calls,
// and one that recovers from an overload is back at full size in a dozen.
//
// A limit of the collector's on the size of a message does not pass: it is never
// tried again.
type window struct {
	limit  int // half of the smallest message that was too large
	room   int // of the next request
	steady int // room doubles up to it
	run    int // taken at the steady size
	shrunk bool
}

func newWindow(size int) window { return window{limit: size, room: size, steady: size} }

// refused is told that a request of size bytes was too much.
func (w *window) refused(size int) {
	full := 2*size >= w.room // If it was not, its size was not what was too much.
	w.room = max(min(size, w.room)/2, 1)
	if full && !w.shrunk {
		w.steady, w.run = w.room, 0
	}
	w.shrunk = true
}

// tooLarge is told that a message of size bytes will never be taken.
func (w *window) tooLarge(size int) {
	w.limit = max(min(size, w.limit)/2, 1)
	w.room, w.steady = min(w.room, w.limit), min(w.steady, w.limit)
}

// taken is told that a request of size bytes was taken.
func (w *window) taken(size int) {
	w.shrunk = false
	if 2*size < w.room {
		return // It says nothing about a larger one.
	}
	if w.room >= w.steady {
		if w.run++; w.run < steadyRuns {
			return
		}
		w.run, w.steady = 0, min(2*w.steady, w.limit)
	}
	w.room = min(2*w.room, w.steady)
}
