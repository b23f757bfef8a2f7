// SPDX-License-Identifier: Apache-2.0

package tracer

import "time"

// window is the time between a connection's two GOAWAYs, up to now if the final
// one has not left; ok is false if the first has not.
func (c *connLine) window() (d time.Duration, ok bool) {
	if c.goAway == never {
		return 0, false
	}
	return max(0, min(c.finalGoAw, c.gone)-c.goAway), min(c.finalGoAw, c.gone) != never
}
