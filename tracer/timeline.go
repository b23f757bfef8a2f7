// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"context"
	"net"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// timeline is all that has been seen of one shutdown up to a moment. Its times
// count from the call: what was before is negative, what has not happened is
// never. Phases, holders and the verdict are functions of it and of nothing
// else.
type timeline struct {
	graceful bool // GracefulStop; else Stop
	now      time.Duration
	returned time.Duration // grpc's call returned
	forced   time.Duration // Stop was called on top of GracefulStop
	cutAll   time.Duration // and returned
	// lead is how long before the call the shutdown began; leading says that grpc's
	// stop has not been called yet. Then times count from the start.
	lead    time.Duration
	leading bool
	steps   []stepLine // around grpc's stop
	// unannounced says that a listener's Close is all we know of the call.
	unannounced bool
	// foreign says that it is no grpc server's.
	foreign bool
	// abandoned says that the call has not returned: the server gave up.
	abandoned bool
	// endUnseen says that there was no time to look at what came after the forced stop.
	endUnseen bool
	// inside is the RPC whose handler made the call; zero: none did.
	inside uint64

	listeners []listenerLine
	conns     []connLine // by id
	rpcs      []rpcLine  // by begin

	forgottenConns, forgottenRPCs int

	compiled compiledLine // what grpc's own source told

	stops   []stopLine  // the stop calls after the first
	clients clientsLine // what clients met
	panics  []panicLine // of handlers
	dumps   []dump      // of the goroutines, the earliest first
	exit    exitLine    // a second signal
	http    httpLine    // what grpc's stop was held back for

	streamsCancelled time.Duration   // the server cancelled the contexts of all streams
	endRecv          map[string]bool // see Call.EndRecv

	grpcVersion string
	withheld    string // in words
	flipped     rule   // a test turns it round
}

// stack is the last that is known of an RPC's.
func (tl *timeline) stack(rpc uint64) (stackLine, bool) {
	for i := range slices.Backward(tl.dumps) {
		if s, ok := tl.dumps[i].rpcs[rpc]; ok {
			return s, true
		}
	}
	return stackLine{}, false
}

// seen is the last dump that was taken in a phase; nil if there is none.
func (tl *timeline) seen(p phaseLine) *dump {
	for i := range slices.Backward(tl.dumps) {
		if d := &tl.dumps[i]; d.at >= p.start && d.at <= min(p.end, tl.now) {
			return d
		}
	}
	return nil
}

// stopLine is a stop call on a server that was being stopped.
type stopLine struct {
	call     string        // GracefulStop, Stop or Shutdown
	at       time.Duration // of the call
	returned time.Duration
	// inside is the RPC whose handler made the call; zero: none did. The first
	// call, the one the timeline is about, is told by timeline.inside.
	inside uint64
}

// clientsLine is what clients met that were not told.
type clientsLine struct {
	lastAccept time.Duration // the last connection that was accepted; never: none was
	since      time.Duration // the first listener accepts; never: none does
	// refused counts the connections that the kernel has reset since the call,
	// in the whole network namespace; -1: not known. Of these, background would
	// have been reset without it, going by the time before.
	refused, background int
	arrivals            arrivalsLine
	// inherited says that somebody else listens where we did: new clients are served.
	inherited bool
}

// dump is what the goroutines of the process told at one moment.
type dump struct {
	began, at  time.Duration // at: when it had been taken
	goroutines int
	skipped    string               // why it tells nothing: too many goroutines
	rpcs       map[uint64]stackLine // by RPC, matched exactly
	hooks      []hookLine           // user code below grpc where no RPC of ours is
	stop       stopFrame            // where grpc's own stop waits
	read       int                  // goroutines of which it tells
	loose      map[looseLine]int    // handlers whose RPC cannot be told, counted
}

// stackLine is one goroutine's stack.
type stackLine struct {
	function string // first frame outside of the runtime, grpc and gracetrace
	source   string // its file's name and line: greeter.go:88
	text     string // all of it, bounded
	decoding bool   // grpc is still waiting for the RPC's message
}

// hookLine is user code that grpc runs and waits for, where no RPC of ours is.
type hookLine struct {
	stackLine
	hook  string // tap handle, stats handler, credentials, outer interceptor
	count int    // goroutines in the same place
}

// stopFrame is the place in grpc's stop at which its goroutine is.
type stopFrame string

// The places of a stopFrame.
const (
	stopUnknown stopFrame = ""
	stopInCond  stopFrame = "Cond.Wait"      // connections are left
	stopInWait  stopFrame = "WaitGroup.Wait" // accept loops and handshakes, or handlers
	stopInDrain stopFrame = "Drain"          // a connection's, which a tap handle blocks
	stopInMutex stopFrame = "Mutex.Lock"     // another stop call holds the server's lock
	stopInUser  stopFrame = "user code"      // a listener's Close
)

type listenerLine struct {
	addr, goType                         string
	closeBegin, closeEnd, acceptReturned time.Duration
	// A forced stop went on although the call had not returned.
	acceptAbandoned, closeAbandoned bool
}

type connLine struct {
	id       uint64
	shown    int // instead of a peer that is withheld; 0: it is not
	peer     string
	agent    string // user-agent of one of its RPCs
	listener string
	where    locality

	accepted           time.Duration
	handshake          time.Duration // never: accepted after quit, closed unserved
	settled            time.Duration // the handshake's end
	timeout            time.Duration // ConnectionTimeout
	stage              watch.Stage
	transport          bool
	cut                time.Duration // closed by us while it shook hands
	bytesRead          int64
	bare               bool             // the credentials' reads are not in bytesRead
	writeSince         time.Duration    // the Write in flight
	longWrite          [2]time.Duration // one that has ended, see [watch.ConnState]
	frames             bool
	exchange           bool // its GOAWAYs are known: by the frames, or by grpc's own source
	goAway             time.Duration
	byPlane            bool // a control plane is the reason for it
	pingAck, finalGoAw time.Duration
	streams            int              // open now
	halfOpen           int              // of these, those whose client has not ended its side
	streamsDone        time.Duration    // when the last open one was closed
	late               int              // streams opened since the call
	lastLate           time.Duration    // when the last of those was
	unread             [2]time.Duration // the longest time, of 1 s or more, in which nobody read
	closing            time.Duration    // grpc began to close it; never: nobody tells
	closed, gone       time.Duration
	severed            bool // see [watch.ConnState]
}

// blocked says since when a Write that is blocked at a moment has been in
// flight; ok is false if there is none. A moment before the GOAWAY phase is not
// to be asked for.
func (c *connLine) blocked(at time.Duration) (since time.Duration, ok bool) {
	if c.writeSince <= at-goAwayLimit {
		return c.writeSince, true
	}
	since, until := c.longWrite[0], c.longWrite[1]
	return since, since <= at-goAwayLimit && until >= at && until != never
}

// notRead reports whether grpc's reader did not read for half of a time, or is
// not reading at its end and has not for 1 s.
func (c *connLine) notRead(start, end time.Duration) bool {
	since, until := c.unread[0], c.unread[1]
	overlap := min(until, end) - max(since, start)
	return since <= end && until >= end && end-since >= readerBlocked ||
		overlap > 0 && 2*overlap >= end-start
}

// handshakeOver is when the connection stopped holding the handshake wait.
func (c *connLine) handshakeOver() time.Duration {
	if c.handshake == never {
		return min(c.settled, c.closed)
	}
	return c.settled
}

type rpcLine struct {
	id     uint64
	method *watch.Method // as it is told
	unsaid *watch.Method // what it is, if that is withheld
	shown  int           // its connection, see connLine
	conn   int           // index into conns; -1: unknown
	caller
	stream     bool
	begin, end time.Duration
	deadline   time.Duration // never: none
	cancelled  time.Duration // its context was, while the handler ran
	cut        time.Duration // its transport was, if it came through ServeHTTP
	recv, send operationLine
}

// operationLine is a stream's RecvMsg or SendMsg.
type operationLine struct {
	held  time.Duration // spent in it since the call
	count int64         // messages
	// since and until are of the longest one that was in flight after the call;
	// since is never if there was none, until while it is in flight.
	since, until time.Duration
}

// overlap is how much of the time from start to end the longest one lasted.
func (o *operationLine) overlap(start, end time.Duration) time.Duration {
	return max(0, min(o.until, end)-max(o.since, start))
}

// caller is what an RPC's context tells, read once.
type caller struct {
	addr  net.Addr
	peer  string
	agent string
	span  trace.SpanContext
	// client is who is behind a proxy, as the RPC's metadata claims:
	// x-forwarded-for, x-forwarded-client-cert or l5d-client-id.
	client string
	// http says that it came through ServeHTTP, awaited that grpc's stop is held
	// back for it.
	http, awaited bool
	until         watch.Instant // its deadline; zero: none
}

// locality is where a peer is.
type locality string

// Localities of a peer; by default it is somewhere else.
const (
	localProxy  locality = "local proxy or same process" // loopback, 127.0.0.6, our own address
	sameProcess locality = "same process"                // the connection's other end is ours
)

// gone is when the connection of r was gone.
func (tl *timeline) gone(r *rpcLine) time.Duration {
	switch {
	case r.http:
		return r.cut
	case r.conn < 0:
		return never
	}
	return tl.conns[r.conn].gone
}

// settle uses that grpc's call has returned: it does so only when no handshake
// and no connection is left, even where the last Close has not been stamped yet.
func (tl *timeline) settle() {
	tl.settleCompiled()
	for i := range tl.conns {
		c := &tl.conns[i]
		c.settled = min(c.settled, tl.returned)
		c.gone = min(c.gone, tl.returned)
	}
}

// freed is when r stopped to hold its connection although its handler ran on:
// the client cancelled it, or the connection was gone.
func (tl *timeline) freed(r *rpcLine) time.Duration { return min(r.cancelled, tl.gone(r)) }

// blind says that no listener was watched: there are RPCs and nothing else.
func (tl *timeline) blind() bool { return len(tl.listeners) == 0 }

// builder makes timelines of one shutdown out of snapshots.
type builder struct {
	clock    watch.Clock
	call     watch.Instant
	resolve  func(context.Context) watch.Caller
	withheld withheld
	callers  map[uint64]caller   // by RPC
	peers    map[uint64]peerLine // by connection: texts cost more than times
}

// newBuilder returns one that counts from a moment.
func (t *Tracer) newBuilder(call watch.Instant) builder {
	return builder{
		clock: t.table.Clock, call: call, resolve: t.table.Resolve, withheld: t.cfg.withheld,
	}
}

// newBuilder returns one for a single RPC at a time, which nobody else uses.
func (s *Shutdown) newBuilder() *builder {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.t.newBuilder(s.zero)
	b.callers = make(map[uint64]caller)
	return &b
}

// at is the reverse of since.
func (b *builder) at(d time.Duration) watch.Instant { return b.call + watch.Instant(d) }

// since converts an Instant.
func (b *builder) since(i watch.Instant) time.Duration {
	if i == 0 {
		return never
	}
	return time.Duration(i - b.call)
}

// add puts a snapshot into tl. cancelled tells when an RPC's
// context was cancelled, if it was.
func (b *builder) add(tl *timeline, snap *watch.Snapshot, cancelled map[uint64]watch.Instant) {
	tl.now, tl.withheld = b.since(snap.At), b.withheld.String()
	b.prune(snap)
	tl.conns = make([]connLine, 0, len(snap.Conns))
	tl.forgottenConns, tl.forgottenRPCs = snap.ForgottenConns, snap.ForgottenRPCs
	tl.clients.lastAccept, tl.clients.since = b.since(snap.LastAccept), never
	tl.compiled = b.compiled(&snap.Compiled)
	for _, l := range snap.Listeners {
		tl.clients.since = min(tl.clients.since, b.since(l.Since))
		tl.listeners = append(tl.listeners, listenerLine{
			addr: l.Addr, goType: l.GoType,
			closeBegin: b.since(l.CloseBegin), closeEnd: b.since(l.CloseEnd),
			acceptReturned:  b.since(l.AcceptReturned),
			acceptAbandoned: l.AcceptAbandoned, closeAbandoned: l.CloseAbandoned,
		})
	}
	byAddr := make(map[net.Addr]int, len(snap.Conns))
	for i := range snap.Conns {
		c := &snap.Conns[i]
		tl.conns = append(tl.conns, b.conn(c))
		if isPointer(c.Addr) {
			byAddr[c.Addr] = i
		}
	}
	rpcs := make([]rpcLine, len(snap.RPCs))
	for i := range snap.RPCs {
		r := &rpcs[i]
		*r = b.rpc(&snap.RPCs[i])
		if i, ok := cancelled[r.id]; ok && b.since(i) < r.end {
			r.cancelled = b.since(i)
		}
		r.conn = -1
		if isPointer(r.addr) {
			if j, ok := byAddr[r.addr]; ok {
				r.conn, r.peer, r.shown = j, tl.conns[j].peer, tl.conns[j].shown
				if r.agent != "" {
					tl.conns[j].agent = r.agent
				}
			}
		}
	}
	tl.rpcs = byBegin(rpcs)
}

// byBegin sorts RPCs. It moves each of them, which are large, once.
func byBegin(rpcs []rpcLine) []rpcLine {
	type place struct {
		begin time.Duration
		at    int
	}
	order := make([]place, len(rpcs))
	for i := range rpcs {
		order[i] = place{rpcs[i].begin, i}
	}
	slices.SortFunc(order, func(a, b place) int {
		if a.begin != b.begin {
			return cmp.Compare(a.begin, b.begin)
		}
		x, y := &rpcs[a.at], &rpcs[b.at]
		return cmp.Or(cmp.Compare(x.conn, y.conn),
			cmp.Compare(x.method.Name, y.method.Name), cmp.Compare(x.id, y.id))
	})
	sorted := make([]rpcLine, len(rpcs))
	for i, p := range order {
		sorted[i] = rpcs[p.at]
	}
	return sorted
}

// prune forgets those who called and connected and are not in snap any more, if
// they are many.
func (b *builder) prune(snap *watch.Snapshot) {
	if len(b.callers) > 2*len(snap.RPCs) || b.callers == nil {
		known := b.callers
		b.callers = make(map[uint64]caller, len(snap.RPCs))
		for i := range snap.RPCs {
			if c, ok := known[snap.RPCs[i].ID]; ok {
				b.callers[snap.RPCs[i].ID] = c
			}
		}
	}
	if len(b.peers) > 2*len(snap.Conns) || b.peers == nil {
		known := b.peers
		b.peers = make(map[uint64]peerLine, len(snap.Conns))
		for i := range snap.Conns {
			if p, ok := known[snap.Conns[i].ID]; ok {
				b.peers[snap.Conns[i].ID] = p
			}
		}
	}
}

func (b *builder) conn(c *watch.ConnState) connLine {
	p := b.peer(c)
	shown := 0
	if b.withheld.peer || p.text == "" {
		p.text, shown = "", int(c.ID)
	}
	return connLine{
		id: c.ID, shown: shown, peer: p.text, where: p.where, listener: c.Listener,
		accepted: b.since(c.Accepted), handshake: b.since(c.Handshake),
		settled: b.since(c.Settled), timeout: time.Duration(c.Timeout), stage: c.Stage,
		transport: c.Transport, cut: b.since(c.Cut), bytesRead: c.BytesRead,
		writeSince: b.since(c.WriteSince),
		longWrite:  [2]time.Duration{b.since(c.LongWriteSince), b.since(c.LongWriteUntil)},
		bare:       c.Bare,
		frames:     c.HTTP2, exchange: c.HTTP2 || c.Inside, goAway: b.since(c.GoAway),
		byPlane: c.ByPlane,
		pingAck: b.since(c.PingAck), finalGoAw: b.since(c.FinalGoAway),
		streams: c.Streams, halfOpen: c.HalfOpen, streamsDone: b.since(c.StreamsDone),
		late: c.Late, lastLate: b.since(c.LastLate),
		unread:  [2]time.Duration{b.since(c.UnreadSince), b.since(c.UnreadUntil)},
		closing: b.since(c.Closing), closed: b.since(c.Closed), gone: b.since(c.Gone), severed: c.Severed,
	}
}

func (b *builder) rpc(s *watch.RPCState) rpcLine {
	r := rpcLine{
		id: s.ID, method: s.Method, stream: s.Stream,
		begin: b.since(s.Begin), end: b.since(s.End), cancelled: never, cut: never,
		deadline: never,
		recv:     b.operation(&s.Recv), send: b.operation(&s.Send),
	}
	if b.withheld.method {
		r.method, r.unsaid = noMethod, s.Method
	}
	c, ok := b.callers[s.ID]
	if !ok {
		w := watch.Caller{}
		if b.resolve != nil {
			w = b.resolve(s.Ctx)
		}
		c = caller{
			addr: w.Addr, span: w.Span, http: w.HTTP, awaited: w.Awaited,
		}
		if d, ok := s.Ctx.Deadline(); ok {
			c.until = b.clock.At(d)
		}
		if !b.withheld.client {
			c.agent, c.client = clean(w.UserAgent), clean(w.Client)
		}
		if w.Addr != nil && !b.withheld.peer {
			c.peer = clean(w.Addr.String())
		}
		b.callers[s.ID] = c
	}
	if r.caller, r.deadline = c, b.since(c.until); c.addr != nil && b.withheld.peer {
		r.shown = unnumbered
	}
	return r
}

func (b *builder) operation(o *watch.OperationState) operationLine {
	return operationLine{o.Held, o.Count, b.since(o.Since), b.since(o.Until)}
}
