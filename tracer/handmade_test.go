// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// Timelines by hand. Times count from the call; what was before is negative.

const (
	ms  = time.Millisecond
	sec = time.Second
)

// A change is a sentence about a timeline, an RPC or a connection.
type (
	change     = func(*timeline)
	connChange = func(*connLine)
	rpcChange  = func(*rpcLine)
)

// returnedAt is a GracefulStop that has returned.
func returnedAt(at time.Duration, changes ...change) *timeline {
	return unfinishedAt(at, append(changes, func(tl *timeline) { tl.returned = at })...)
}

// unfinishedAt is a GracefulStop that still lasts.
func unfinishedAt(now time.Duration, changes ...change) *timeline {
	tl := &timeline{
		graceful: true, now: now, returned: never, forced: never, cutAll: never, streamsCancelled: never,
	}
	for _, c := range changes {
		c(tl)
	}
	if !tl.abandoned { // then the call has not returned in truth
		tl.settle()
	}
	tl.settleHTTP()
	return tl
}

// onlyStop makes it a Stop.
func onlyStop(tl *timeline) { tl.graceful = false }

// givenUp says that the server stopped waiting.
func givenUp(tl *timeline) { tl.returned, tl.abandoned = tl.now, true }

func forcedAt(at time.Duration) change { return func(tl *timeline) { tl.forced = at } }

func listener(closeBegin, closeEnd, acceptReturned time.Duration) change {
	return func(tl *timeline) {
		tl.listeners = append(tl.listeners, listenerLine{
			addr: fmt.Sprintf("10.0.0.100:%d", 50051+len(tl.listeners)), goType: "*net.TCPListener",
			closeBegin: closeBegin, closeEnd: closeEnd, acceptReturned: acceptReturned,
		})
	}
}

// oneListener closes at once and takes no time.
var oneListener = listener(0, 0, 0)

// raw is a connection that was accepted a minute before the call and whose
// handshake is not over.
func raw(changes ...connChange) change {
	return func(tl *timeline) {
		n := len(tl.conns) + 1
		c := connLine{
			id: uint64(n), peer: fmt.Sprintf("10.0.0.%d:%d", n, 40000+n), listener: "10.0.0.100:50051",
			accepted: -time.Minute, handshake: -time.Minute, settled: never,
			timeout: 2 * time.Minute, writeSince: never, lastLate: never,
			unread:    [2]time.Duration{never, never},
			longWrite: [2]time.Duration{never, never}, goAway: never, pingAck: never, cut: never,
			finalGoAw: never, streamsDone: never, closing: never, closed: never, gone: never,
		}
		for _, f := range changes {
			f(&c)
		}
		tl.conns = append(tl.conns, c)
	}
}

// conn is one that has been a transport for a minute, and whose frames are
// seen.
func conn(changes ...connChange) change {
	return raw(append([]connChange{func(c *connLine) {
		c.settled, c.transport, c.stage = -time.Minute, true, watch.StagePreface
		c.frames, c.exchange = true, true
	}}, changes...)...)
}

func settledAt(at time.Duration) connChange { return func(c *connLine) { c.settled = at } }
func blockedSince(at time.Duration) connChange {
	return func(c *connLine) { c.writeSince = at }
}

// wroteUntil is a Write that was blocked and has ended.
func wroteUntil(since, until time.Duration) connChange {
	return func(c *connLine) { c.longWrite = [2]time.Duration{since, until} }
}
func goAwayAt(at time.Duration) connChange { return func(c *connLine) { c.goAway = at } }
func ackedAt(at time.Duration) connChange  { return func(c *connLine) { c.pingAck = at } }
func finalAt(at time.Duration) connChange  { return func(c *connLine) { c.finalGoAw = at } }
func goneAt(at time.Duration) connChange   { return func(c *connLine) { c.closed, c.gone = at, at } }
func closedAt(at time.Duration) connChange { return func(c *connLine) { c.closed = at } }
func streams(n int) connChange             { return func(c *connLine) { c.streams = n } }
func streamsDone(at time.Duration) connChange {
	return func(c *connLine) { c.streamsDone = at }
}
func unseen(c *connLine)                    { c.frames, c.exchange = false, false }
func framesUnseen(c *connLine)              { c.frames = false }
func closingAt(at time.Duration) connChange { return func(c *connLine) { c.closing = at } }

// notReadSince says that no Read has been in flight since a moment.
func notReadSince(at time.Duration) connChange {
	return func(c *connLine) { c.unread[0] = at }
}

// halfOpen says on how many streams the client has not ended its side.
func halfOpen(n int) connChange { return func(c *connLine) { c.streams, c.halfOpen = n, n } }

// told says that it got its GOAWAYs and acknowledged the PING at once.
func told(at time.Duration) connChange {
	return func(c *connLine) { c.goAway, c.pingAck, c.finalGoAw = at, at, at }
}

var (
	chat     = &watch.Method{Name: "greeter.v1.Greeter/Chat", Short: "Greeter/Chat", Registered: true}
	sayHello = &watch.Method{
		Name: "greeter.v1.Greeter/SayHello", Short: "Greeter/SayHello", Registered: true,
	}
)

// unary is an RPC on the connection that was made last, unknown if there is
// none.
func unary(begin, end time.Duration, changes ...rpcChange) change {
	return func(tl *timeline) {
		r := rpcLine{
			id: uint64(len(tl.rpcs) + 1), method: sayHello, conn: len(tl.conns) - 1,
			begin: begin, end: end, cancelled: never, cut: never, deadline: never,
			recv: operationLine{since: never, until: never},
			send: operationLine{since: never, until: never},
		}
		if r.conn >= 0 {
			r.peer = tl.conns[r.conn].peer
		}
		for _, f := range changes {
			f(&r)
		}
		tl.rpcs = append(tl.rpcs, r)
	}
}

// stream is a streaming one, with two messages in and one out.
func stream(begin, end time.Duration, changes ...rpcChange) change {
	return unary(begin, end, append([]rpcChange{func(r *rpcLine) {
		r.method, r.stream, r.recv.count, r.send.count = chat, true, 2, 1
	}}, changes...)...)
}

func inRecv(held time.Duration) rpcChange { return func(r *rpcLine) { r.recv.longest(r, held) } }
func inSend(held time.Duration) rpcChange { return func(r *rpcLine) { r.send.longest(r, held) } }

// longest is one Recv or Send since the call, or since the RPC began.
func (o *operationLine) longest(r *rpcLine, held time.Duration) {
	o.held, o.since = held, max(r.begin, 0)
	o.until = o.since + held
}

func cancelledAt(at time.Duration) rpcChange { return func(r *rpcLine) { r.cancelled = at } }
func deadlineAt(at time.Duration) rpcChange  { return func(r *rpcLine) { r.deadline = at } }
func onUnknownConnection(r *rpcLine)         { r.conn, r.peer = -1, "" }

// throughHTTP is an RPC that came through the ServeHTTP of the grpc server.
func throughHTTP(r *rpcLine) { r.conn, r.peer, r.http = -1, "10.0.0.9:40009", true }

// throughOurs is one that came through that of package server.
func throughOurs(r *rpcLine) { throughHTTP(r); r.awaited = true }

// awaits says until when grpc's stop was held back for such RPCs.
func awaits(until time.Duration) change {
	return func(tl *timeline) { tl.http = httpLine{awaited: true, ended: until, cut: never} }
}

// awaitsAndCuts says when those that were left were cut.
func awaitsAndCuts(cut time.Duration) change {
	return func(tl *timeline) { tl.http = httpLine{awaited: true, ended: cut, cut: cut} }
}

// exitedAt is a second signal, after which nothing is seen any more.
func exitedAt(at time.Duration) change {
	return func(tl *timeline) {
		tl.exit = exitLine{"SIGINT", at}
		if tl.returned == never {
			givenUp(tl)
		}
		tl.breakOff()
	}
}

// prose is phases with where each ended: "quit 1ms, listener close 2ms, ...",
// and "..." for one that still lasts.
func prose(lines []phaseLine) string {
	words := make([]string, len(lines))
	for i, l := range lines {
		words[i] = fmt.Sprintf("%s %s", l.phase, l.end)
		if l.end == never {
			words[i] = string(l.phase) + " ..."
		}
	}
	return strings.Join(words, ", ")
}
