// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"maps"
	"math"
	"math/bits"
	"slices"

	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// distribution is that of durations, in bounded memory: a quantile is at most 0.1 % too
// high, of durations below 1 ms exact to the microsecond. The zero value has none.
type distribution struct {
	n       int
	open    int // of these that had not ended: they took at least so long
	longest tracer.Duration
	counts  map[uint32]int // by bucket
}

// steps is how many buckets there are from one power of two to the next, a power of
// two itself.
const (
	stepBits = 10
	steps    = 1 << stepBits
)

func (d *distribution) add(took tracer.Duration, open bool) {
	if d.counts == nil {
		d.counts = make(map[uint32]int)
	}
	took = max(took, 0)
	d.n++
	if open {
		d.open++
	}
	d.longest = max(d.longest, took)
	d.counts[bucket(uint64(time.Duration(took).Microseconds()))]++
}

// bucket is the place of a duration in microseconds among all.
func bucket(us uint64) uint32 {
	if us < steps {
		return uint32(us)
	}
	shift := bits.Len64(us) - stepBits - 1
	return uint32((shift+1)<<stepBits) + uint32(us>>shift) - steps
}

// highest is the longest duration of a bucket, in microseconds.
func highest(bucket uint32) uint64 {
	if bucket < steps {
		return uint64(bucket)
	}
	shift := bucket>>stepBits - 1
	return uint64(bucket&(steps-1)+steps+1)<<shift - 1
}

// quantile is the duration that a share of all did not exceed (nearest rank).
func (d *distribution) quantile(share float64) tracer.Duration {
	rank := int(math.Ceil(share * float64(d.n)))
	for _, b := range slices.Sorted(maps.Keys(d.counts)) {
		if rank -= d.counts[b]; rank <= 0 {
			return min(tracer.Duration(highest(b))*tracer.Duration(time.Microsecond), d.longest)
		}
	}
	return 0
}

func (d *distribution) times() Times {
	return Times{
		Shutdowns: d.n, Open: d.open, P50: d.quantile(0.5), P95: d.quantile(0.95), Max: d.longest,
	}
}
