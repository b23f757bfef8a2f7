// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"time"
)

// Lateness measures, until ctx is over, by how much the machine's timers are late,
// at most: what a test with real time must grant. It looks every 5 ms.
func Lateness(ctx context.Context) <-chan time.Duration {
	measured := make(chan time.Duration, 1)
	go func() {
		worst := time.Duration(0)
		for ctx.Err() == nil {
			due := time.Now().Add(5 * time.Millisecond)
			<-time.After(time.Until(due))
			worst = max(worst, time.Since(due))
		}
		measured <- worst
	}()
	return measured
}
