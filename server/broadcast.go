// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"sync/atomic"
)

// broadcastShards keeps streams that begin and end at the same time from
// waiting for each other.
const broadcastShards = 64

// broadcast tells every stream that is there, once, and at once those that come
// later.
type broadcast struct {
	shards [broadcastShards]context.Context
	cancel [broadcastShards]context.CancelFunc
	next   atomic.Uint32
}

func newBroadcast() *broadcast {
	b := &broadcast{}
	for i := range b.shards {
		//nolint:fatcontext // none is nested
		b.shards[i], b.cancel[i] = context.WithCancel(context.Background())
	}
	return b
}

// listen calls f, in a goroutine of its own, when fire is called. stop is called
// when f is not needed any more.
func (b *broadcast) listen(f func()) (stop func() bool) {
	return context.AfterFunc(b.shards[b.next.Add(1)%broadcastShards], f)
}

func (b *broadcast) fire() {
	for _, cancel := range b.cancel {
		cancel()
	}
}
