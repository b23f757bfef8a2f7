// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// compiledLine is when grpc's stop crossed its boundaries, by its own source. One
// that is not in it is taken from what is seen from outside.
type compiledLine map[watch.Boundary]time.Duration

func (b *builder) compiled(c *watch.Compiled) compiledLine {
	var line compiledLine
	for bound := watch.ListenersClosing; bound <= watch.ConnsGone; bound++ {
		if at, ok := c.At(bound); ok {
			if line == nil {
				line = make(compiledLine)
			}
			line[bound] = b.since(at)
		}
	}
	return line
}

// boundary returns when grpc's stop crossed b: never if it has not. ok is false if
// its source does not say. Where a listener's Close is all that is known of the
// call, it may not be one.
func (tl *timeline) boundary(b watch.Boundary) (at time.Duration, ok bool) {
	if tl.unannounced {
		return 0, false
	}
	at, ok = tl.compiled[b]
	return at, ok
}

// settleCompiled uses that grpc has said that nothing of a kind is left, even where
// the last of it has not been stamped yet.
func (tl *timeline) settleCompiled() {
	shaken, ok := tl.boundary(watch.HandshakesOver)
	if !ok {
		shaken = never
	}
	gone, ok := tl.boundary(watch.ConnsGone)
	if !ok {
		gone = never
	}
	for i := range tl.conns {
		c := &tl.conns[i]
		c.settled = min(c.settled, shaken)
		if c.transport {
			c.gone = min(c.gone, gone)
		}
	}
}
