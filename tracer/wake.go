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

// letGo is when grpc's stop went on that had waited for connections, the last of which
// was gone at a moment. Nobody sees that. It then returns, unless it waits for handlers,
// which a Stop does not: so if that comes soon, it is when.
func (tl *timeline) letGo(gone time.Duration) time.Duration {
	waited := func(c connLine) bool { return c.transport && c.gone == gone }
	if tl.abandoned || !slices.ContainsFunc(tl.conns, waited) {
		return gone
	}
	if tl.graceful && tl.forced == never && tl.ranOn(gone) {
		return gone
	}
	next := min(tl.returned, tl.cutAll)
	if next < gone || next-gone > letGoWithin {
		return gone
	}
	return next
}

// ranOn reports whether a handler ran at a moment and after it.
func (tl *timeline) ranOn(at time.Duration) bool {
	return slices.ContainsFunc(tl.rpcs, func(r rpcLine) bool { return r.begin <= at && r.end > at })
}
