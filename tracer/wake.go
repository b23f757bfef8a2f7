// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"time"
)

// letGoWithin is for how long grpc's stop may take to go on once its last connection is
// closed: it takes them out of its table one by one and is woken by each, and needs its
// lock for that. On a starved machine this is scheduling.
const letGoWithin = 100 * time.Millisecond

// letGoAlone is what that takes at most where the machine is not starved: 4 ms for 155
// connections, see docs/bench.md.
const letGoAlone = 10 * time.Millisecond

// letGo is when grpc's stop went on that had waited for connections, the last of which
// was gone at a moment. Nobody sees that. It then returns, unless it waits for handlers:
// so if that comes soon, it is when. A Stop waits for them only with WaitForHandlers,
// which can't be seen: it has, if one ended meanwhile and it took longer than alone.
func (tl *timeline) letGo(gone time.Duration) time.Duration {
	waited := func(c connLine) bool { return c.transport && c.gone == gone }
	if tl.abandoned || !slices.ContainsFunc(tl.conns, waited) {
		return gone
	}
	next := min(tl.returned, tl.cutAll)
	if next < gone || next-gone > letGoWithin {
		return gone
	}
	if tl.graceful && tl.forced == never {
		if tl.ranOn(gone, never) {
			return gone
		}
	} else if next-gone > letGoAlone && tl.ranOn(gone, next) {
		return gone
	}
	return next
}

// ranOn reports whether a handler ran at a moment and after it, and not beyond another.
func (tl *timeline) ranOn(at, until time.Duration) bool {
	return slices.ContainsFunc(tl.rpcs, func(r rpcLine) bool {
		return r.begin <= at && at < r.end && r.end <= until
	})
}
