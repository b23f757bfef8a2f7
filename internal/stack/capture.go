// SPDX-License-Identifier: Apache-2.0

package stack

import "runtime"

// Bounds of a dump. The world stands still while it is written: some 10 µs a
// goroutine.
const (
	MaxGoroutines = 20_000
	maxBytes      = 64 << 20
)

// perGoroutine is what a goroutine's stack mostly takes at the most. A buffer
// that is too small costs a second dump; what is never written of one that is
// too large costs no memory.
const perGoroutine = 2 << 10

// Dump is the text of all goroutines.
type Dump struct {
	Text       string // empty: there were too many
	Goroutines int    // right before
	Cut        bool   // the text ends early
}

// Capture dumps all goroutines, if there are at most limit.
func Capture(limit int) Dump {
	d := Dump{Goroutines: runtime.NumGoroutine()}
	if d.Goroutines > limit {
		return d
	}
	for size := min(64<<10+d.Goroutines*perGoroutine, maxBytes); ; size = maxBytes {
		buf := make([]byte, size)
		n := runtime.Stack(buf, true)
		if n < size || size == maxBytes {
			d.Text, d.Cut = string(buf[:n]), n == size
			return d
		}
	}
}
