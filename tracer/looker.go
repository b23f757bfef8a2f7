// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"sync"
	"time"

	"github.com/gracetrace/gracetrace/internal/stack"
)

// looker dumps the goroutines for all servers of a process. The world stands
// still for each dump, so servers that stop together share one.
type looker struct {
	capture func(limit int) stack.Dump

	mu   sync.Mutex // held while the world stands still; guards following
	last *capture   // for a moment: it may be large
}

// capture is a dump and when it was taken.
type capture struct {
	stack.Dump
	began, ended time.Time
}

// shared is for how long a dump is good enough for others: their checkpoints and
// forced stops come at one moment if their stop calls did.
const shared = 250 * time.Millisecond

// take returns a dump that is no older than maxAge, and taken for this call unless
// a recent one is at hand.
func (l *looker) take(limit int, maxAge time.Duration) *capture {
	asked := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.last; c != nil && asked.Sub(c.began) <= min(maxAge, shared) {
		return c
	}
	c := &capture{began: time.Now()}
	c.Dump, c.ended = l.capture(limit), time.Now()
	if c.Text != "" {
		l.last = c
		time.AfterFunc(shared, func() { l.forget(c) })
	}
	return c
}

func (l *looker) forget(c *capture) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == c {
		l.last = nil
	}
}
