// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// dice makes timelines in which every rule of docs/verdict.md decides something
// now and then. Moments are coarse, so that many are equal, or just on either
// side of the limits of a rule.
type dice struct {
	*rand.Rand

	tl *timeline
}

// suspicious is a random timeline for the culprit.
func suspicious(seed uint64) *timeline {
	d := dice{rand.New(rand.NewPCG(seed, 2)), nil}
	d.tl = &timeline{
		graceful: d.IntN(5) > 0, now: time.Duration(d.IntN(48)) * grid, returned: never, forced: never,
		cutAll: never,
	}
	for range d.IntN(4) {
		d.listener()
	}
	d.conns()
	for range d.IntN(3) * d.IntN(2) {
		d.rpc(-1, d.moment(-2*sec), never)
	}
	slices.SortStableFunc(d.tl.rpcs, func(a, b rpcLine) int { return int(a.begin - b.begin) })
	d.ending()
	d.stopCalls()
	d.dumps()
	return d.tl
}

// one in n.
func (d dice) one(n int) bool { return d.IntN(n) == 0 }

// past is a moment that has come, or never: nothing is known of the future.
func (d dice) past(at time.Duration) time.Duration {
	if at > d.tl.now {
		return never
	}
	return at
}

// soon is at once or within milliseconds.
func (d dice) soon(from time.Duration) time.Duration {
	if from == never {
		return never
	}
	return d.past(from + either(d, 0, 0, 0, ms/2, ms, 2*ms, 9*ms, 10*ms))
}

// moment is at once, within milliseconds, or any time later.
func (d dice) moment(from time.Duration) time.Duration {
	if from == never || d.one(3) {
		return d.soon(from)
	}
	return d.past(from + time.Duration(d.IntN(28))*grid)
}

// perhaps is a moment that may never come.
func (d dice) perhaps(from time.Duration) time.Duration {
	if d.one(5) {
		return never
	}
	return d.moment(from)
}

func (d dice) listener() {
	begin := d.soon(0)
	switch d.IntN(8) {
	case 0:
		begin = d.perhaps(0)
	case 1:
		begin = -sec
	}
	end, accept := d.soon(begin), d.soon(begin)
	if d.one(4) {
		end, accept = d.perhaps(begin), d.perhaps(begin)
	}
	listener(begin, end, accept)(d.tl)
}

func (d dice) conns() {
	accepted := -time.Duration(d.IntN(40)) * grid
	for range d.IntN(5) {
		accepted += time.Duration(d.IntN(6)) * grid
		if accepted > d.tl.now {
			return
		}
		raw(func(c *connLine) {
			c.id = uint64(100 + 7*len(d.tl.conns))
			c.accepted, c.handshake = accepted, accepted
			c.stage = watch.Stage(d.IntN(3))
			c.settled = d.soon(accepted)
			if d.one(4) {
				c.settled = d.perhaps(accepted)
			}
			switch {
			case d.one(12):
				c.handshake, c.settled, c.closed = never, d.perhaps(accepted), d.perhaps(accepted)
			case c.settled == never || d.one(8):
				c.closed = d.perhaps(accepted)
			default:
				c.transport, c.exchange = true, !d.one(8)
				c.frames = c.exchange && !d.one(8)
				d.transport(c)
			}
		})(d.tl)
		if c := &d.tl.conns[len(d.tl.conns)-1]; c.transport {
			d.rpcs(c)
		}
	}
}

// transport is what a connection does that can serve.
func (d dice) transport(c *connLine) {
	c.gone = d.perhaps(max(0, c.settled))
	if d.one(12) {
		c.gone = d.moment(c.settled)
	}
	c.closed = c.gone
	if c.gone != never && d.one(2) {
		c.closed = max(c.settled, c.gone-time.Duration(d.IntN(4))*grid)
	}
	if d.one(8) {
		c.closed = min(c.closed, d.soon(c.settled)) // grpc keeps it
	}
	if d.one(8) {
		c.closing = d.past(c.closed)
	}
	if d.one(2) {
		c.writeSince = d.past(c.settled + time.Duration(d.IntN(60))*grid)
		c.writeSince = either(d, c.writeSince, never, never)
		since := max(c.settled, -time.Duration(d.IntN(8))*grid)
		until := either(d, d.past(since+sec+time.Duration(d.IntN(16))*grid), c.gone)
		if c.writeSince == never && until != never && until-since >= sec {
			c.longWrite = [2]time.Duration{since, until}
		}
	}
	if d.one(4) {
		since := d.past(max(c.settled, d.tl.now-time.Duration(d.IntN(16))*grid))
		c.unread = [2]time.Duration{since, either(d, never, since+sec+time.Duration(d.IntN(12))*grid)}
	}
	c.streams = d.IntN(4) * d.IntN(2)
	c.halfOpen = either(d, 0, c.streams, c.streams/2)
	if c.exchange {
		d.exchange(c)
	}
}

// exchange is of the GOAWAYs.
func (d dice) exchange(c *connLine) {
	until := func(at time.Duration) time.Duration { // nothing is sent to who has gone
		if at >= c.gone && !d.one(4) {
			return never
		}
		return at
	}
	c.goAway = until(d.soon(max(0, c.settled)))
	switch d.IntN(6) {
	case 0:
		c.goAway = until(d.perhaps(max(0, c.settled)))
	case 1:
		c.goAway = until(c.settled)
	case 2:
		c.goAway = never
	}
	c.pingAck = until(either(d, d.soon(c.goAway), d.perhaps(c.goAway)))
	c.finalGoAw = until(d.soon(c.pingAck))
	if c.pingAck == never && c.goAway != never && d.one(2) {
		c.finalGoAw = until(d.past(c.goAway + 5*sec))
	}
	if c.streams == 0 && !d.one(4) {
		c.streamsDone = until(d.perhaps(c.settled))
	}
}

func (d dice) rpcs(c *connLine) {
	of := len(d.tl.conns) - 1
	for range d.IntN(4) * d.IntN(2) {
		begin := d.moment(c.settled)
		if begin < c.gone {
			d.rpc(of, begin, c.gone)
		}
	}
}

// rpc is one on a connection that is gone at a moment.
func (d dice) rpc(of int, begin, gone time.Duration) {
	if begin == never {
		return
	}
	end := d.perhaps(max(begin, 0))
	if gone != never && d.one(3) {
		end = d.soon(gone)
	}
	r := rpcLine{
		id: uint64(1000 - 3*len(d.tl.rpcs)), method: sayHello, conn: of, stream: d.one(2),
		begin: begin, end: end, cancelled: never, deadline: never,
		recv: d.operation(begin, end), send: d.operation(begin, end),
	}
	if r.stream {
		r.method = either(d, chat, chat, healthWatch)
	}
	if d.one(3) {
		r.cancelled = d.perhaps(begin)
	}
	d.tl.rpcs = append(d.tl.rpcs, r)
}

func (d dice) operation(begin, end time.Duration) operationLine {
	o := operationLine{since: never, until: never}
	from := max(begin, 0)
	whole := min(end, d.tl.now) - from
	if whole <= 0 || d.one(3) {
		return o
	}
	o.since = d.past(either(d, begin, from, from+time.Duration(d.IntN(8))*grid))
	if o.since == never || o.since > end {
		return operationLine{since: never, until: never}
	}
	if end != never || d.one(2) {
		o.until = max(from, min(end, d.tl.now, o.since+time.Duration(d.IntN(16))*grid))
	}
	o.held = min(o.until, d.tl.now) - max(o.since, 0)
	o.held = min(whole, either(d, o.held, o.held+whole/2, o.held+whole/4))
	return o
}

// either is one of some.
func either[T any](d dice, of ...T) T { return of[d.IntN(len(of))] }

// ending is how and whether the call ended.
func (d dice) ending() {
	tl := d.tl
	if tl.now > 0 && d.one(4) {
		tl.forced = time.Duration(1+d.IntN(int(tl.now/grid))) * grid
	}
	switch d.IntN(6) {
	case 0, 1, 2: // as soon as nothing holds, or a bit later
		at := time.Duration(0)
		for _, l := range tl.listeners {
			at = max(at, l.closeEnd, l.acceptReturned)
		}
		for i := range tl.conns {
			at = max(at, tl.conns[i].settled)
			if tl.conns[i].transport {
				at = max(at, tl.conns[i].gone)
			}
		}
		if d.one(2) {
			for i := range tl.rpcs {
				at = max(at, tl.rpcs[i].end)
			}
		}
		tl.returned = d.soon(at)
	case 3: // whatever is seen
		tl.returned = time.Duration(d.IntN(int(tl.now/grid)+1)) * grid
	case 4:
		givenUp(tl)
	}
	if tl.forced != never && tl.returned < tl.forced {
		tl.forced = never
	}
	if !tl.abandoned {
		tl.settle()
	}
}

func (d dice) someRPC() uint64 {
	if len(d.tl.rpcs) == 0 {
		return 0
	}
	return d.tl.rpcs[d.IntN(len(d.tl.rpcs))].id
}

func (d dice) stopCalls() {
	if d.one(8) {
		d.tl.inside = d.someRPC()
	}
	for range d.IntN(3) * d.IntN(2) {
		at := time.Duration(d.IntN(int(d.tl.now/grid)+1)) * grid
		s := stopLine{call: "Stop", at: at, returned: d.perhaps(at)}
		if d.one(3) {
			s.inside = d.someRPC()
		}
		d.tl.stops = append(d.tl.stops, s)
	}
}

func (d dice) dumps() {
	at := time.Duration(d.IntN(16)) * grid
	for range d.IntN(4) {
		if at > d.tl.now {
			return
		}
		d.tl.dumps = append(d.tl.dumps, d.dump(at))
		at += time.Duration(d.IntN(12)) * grid
	}
}

func (d dice) dump(at time.Duration) dump {
	dp := dump{began: max(0, at-time.Duration(d.IntN(2))*ms), at: at, goroutines: 100}
	if d.one(5) {
		dp.goroutines, dp.skipped = 30_000, "more than 20,000 goroutines"
		return dp
	}
	dp.stop = either(d, stopUnknown, stopInCond, stopInWait, stopInDrain, stopInMutex, stopInUser)
	dp.rpcs = map[uint64]stackLine{}
	for i := range d.tl.rpcs {
		if r := &d.tl.rpcs[i]; r.begin <= at && r.end > at && d.one(3) {
			dp.rpcs[r.id] = stackLine{function: "main.handler", decoding: d.one(2)}
		}
	}
	for range d.IntN(3) * d.IntN(2) {
		dp.hooks = append(dp.hooks, hookLine{
			stackLine: stackLine{function: "main.hook"},
			hook: either(d, stateTapHandle, stateStatsHandler, stateCredentials,
				stateOuterInterceptor, stateCallback),
			count: 1 + d.IntN(3),
		})
	}
	return dp
}
