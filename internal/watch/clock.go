// SPDX-License-Identifier: Apache-2.0

package watch

import "time"

// Instant is a moment on a [Clock], in nanoseconds. Zero means that it has not
// happened.
type Instant int64

// Clock reads the monotonic clock as Instants. It is safe for concurrent use.
type Clock struct{ epoch time.Time }

// NewClock returns a Clock whose readings are never zero: its epoch is one
// second ago.
func NewClock() Clock { return Clock{epoch: time.Now().Add(-time.Second)} }

// Now reads the clock. It costs one reading of the monotonic clock, no wall
// clock, and allocates nothing.
func (c Clock) Now() Instant { return Instant(time.Since(c.epoch)) }

// At converts t, which must carry a monotonic reading.
func (c Clock) At(t time.Time) Instant { return Instant(t.Sub(c.epoch)) }
