// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// HolderKind is what kind of thing keeps a server from stopping.
type HolderKind string

// The kinds of holders.
const (
	HolderListener   HolderKind = "listener"   // its Close or Accept has not returned
	HolderHandshake  HolderKind = "handshake"  // accepted, not a transport yet
	HolderConnection HolderKind = "connection" // open
	HolderRPC        HolderKind = "rpc"        // open, its handler runs
	HolderHandler    HolderKind = "handler"    // runs, its connection is gone
	HolderUserHook   HolderKind = "user hook"  // user code that grpc runs and waits for
	HolderStopCall   HolderKind = "stop call"  // another one, or one from inside a handler
	HolderFlush      HolderKind = "flush"      // the application's, see PhaseAppFlush
)

// The states of a handshake, a connection, an RPC, a user hook and a stop call.
const (
	stateTCP     = "tcp"     // nothing, or no HTTP/2, has arrived
	stateTLS     = "tls"     // inside the credentials' handshake
	statePreface = "preface" // waits for the HTTP/2 connection preface

	statePingUnacked  = "ping unacknowledged" // 5 s until grpc goes on without
	stateGoAwayUnsent = "goaway unsent"       // the first GOAWAY has not left
	stateClosed       = "socket closed"       // grpc has not let go of it
	stateWriteBlocked = "write blocked"       // a Write in flight for 1 s
	stateLinger       = "linger"              // up to 1 s for the peer to close
	stateStreams      = "streams open"        // no handler of ours has them

	stateInRecv    = "in Recv"
	stateInSend    = "in Send"
	stateInHandler = "in handler"

	stateCallback      = "callback"           // user code in handleRawConn
	stateBytesUnsent   = "bytes unsent"       // handler returned, stream id still open
	stateReaderBlocked = "reader blocked"     // no Read in flight for 1 s
	stateDraining      = "already draining"   // GOAWAY sent before the call: max_age, max_idle, xds
	stateIncomplete    = "message incomplete" // the client has not sent all of its message

	stateTapHandle        = "tap handle"
	stateStatsHandler     = "stats handler"
	stateCredentials      = "credentials"
	stateOuterInterceptor = "outer interceptor"

	stateJoined     = "joined"               // waits for the first call
	stateBlocked    = "blocked by the first" // on its lock: grpc-go up to 1.84
	stateFromInside = "called from inside a handler"
)

// Holder is one thing that kept a server from stopping, during one phase.
type Holder struct {
	Kind HolderKind `json:"kind"`
	// State says what it waits for, in the words of docs/verdict.md.
	State    string `json:"state,omitempty"`
	Method   string `json:"method,omitempty"` // pkg.Service/Method
	Original string `json:"method_original,omitempty"`
	Peer     string `json:"peer,omitempty"`
	// Connection is the number of its connection, in the order in which the server
	// has accepted them, if peers are withheld (see [Withhold]), -1 where there is
	// none; else zero.
	Connection int    `json:"connection,omitempty"`
	UserAgent  string `json:"user_agent,omitempty"`
	Listener   string `json:"listener,omitempty"`
	Name       string `json:"name,omitempty"` // of a flush
	// Held is how long it held this phase, Age how old it was at the end: since
	// it was accepted or, for an RPC, since it began.
	Held Duration `json:"held_us"`
	Age  Duration `json:"age_us"`
	// Open says that it still held at the end of what is known.
	Open bool `json:"open,omitempty"`
	// Detail is the rest in words.
	Detail string `json:"detail,omitempty"`
	// Client is who is behind a proxy, as the RPC's metadata claims.
	Client string `json:"client,omitempty"`
	// Local says that the peer is a proxy on this machine or this process
	// itself: not the client.
	Local string `json:"local,omitempty"`
	// Transport is servehttp for an RPC that came through ServeHTTP.
	Transport string `json:"transport,omitempty"`
	// Infrastructure says that the RPC is of health, reflection or channelz.
	Infrastructure bool `json:"infrastructure,omitempty"`
	// Function is the first frame of its stack that is the application's, and
	// Source that frame's file and line.
	Function string `json:"function,omitempty"`
	Source   string `json:"source,omitempty"`
	// SpanID is its span's, for a link into the trace. Only a report that was read
	// from spans knows it.
	SpanID string `json:"span_id,omitempty"`
}

// holder is a Holder in a timeline, with what it consists of.
type holder struct {
	Holder
	name       string // of its bar and its span
	start, end time.Duration
	key        holderKey
	children   []holder
	blame      int    // the child that held it; -1: itself
	culprit    bool   // the phase's culprit, or what it is a part of
	part       bool   // of a connection, which tells the peer
	ended      string // how a handshake ended, in words
	attrs      []attr
	link       trace.SpanContext
	stack      int // the place of its stack in the report, from 1; 0: none

	evidence evidence // nil: it has been told
	tl       *timeline
}

// evidence is what the texts and attributes of a holder are made from. Of 10,000
// holders a few are shown: for the others that would be most of their cost.
type evidence interface{ tell(tl *timeline, h *holder) }

// tell completes a holder that is going to be shown: its name, detail, stack and
// attributes. What the rules of blame look at is there before.
func (h *holder) tell() *holder {
	if e := h.evidence; e != nil {
		h.evidence = nil
		e.tell(h.tl, h)
	}
	return h
}

// holderKey identifies a holder across timelines of one shutdown.
type holderKey struct {
	kind HolderKind
	id   uint64
	part string
}

// holders returns what held a phase, the earliest first; p.end may be never.
func (tl *timeline) holders(p phaseLine) []holder {
	var hs []holder
	switch p.phase {
	case phaseServeHTTP:
		hs = tl.awaitedHTTP(p)
	case PhaseQuit:
		hs = tl.lockHolder(p)
	case PhaseListenerClose:
		hs = tl.closingListeners(p)
	case PhaseHandshakeWait:
		hs = append(tl.acceptingListeners(p), tl.handshakes(p)...)
	case PhaseGoAway:
		hs = tl.unsent(p)
	case PhaseConnWait:
		hs = tl.connections(p)
	case PhaseForcedStop:
		hs = tl.survivors(p)
	case PhaseHandlerWait:
		hs = tl.handlers(p)
	case PhaseAppFlush:
		hs = tl.flushes(p)
	case PhaseNotServing, PhaseLameDuck: // nobody's fault
	}
	hs = append(hs, tl.hooks(p)...)
	slices.SortStableFunc(hs, func(a, b holder) int { return cmp.Compare(a.start, b.start) })
	return hs
}

// place sets a holder's bar to what it held of the phase, and says whether that
// is anything.
func (tl *timeline) place(h *holder, p phaseLine, start, end time.Duration) bool {
	h.start = max(start, p.start)
	h.end = min(end, p.end, max(tl.now, h.start))
	h.Open = end > tl.now
	h.Held = Duration(h.end - h.start)
	return end > p.start && start < p.end
}

func (tl *timeline) closingListeners(p phaseLine) (hs []holder) {
	for i, l := range tl.listeners {
		h := listenerHolder(i, &l, "close")
		if !tl.place(&h, p, l.closeBegin, l.closeEnd) {
			continue
		}
		h.Age = h.Held
		h.Detail = fmt.Sprintf("Close of %s took %s", l.goType, h.Held)
		switch {
		case h.Open:
			h.Detail = fmt.Sprintf("Close of %s has not returned for %s", l.goType, h.Held)
		case l.closeAbandoned:
			h.Detail = fmt.Sprintf("Close of %s had not returned for %s", l.goType, h.Held)
		}
		if len(tl.listeners) > 1 || h.Held >= Duration(worthShowing) {
			hs = append(hs, h)
		}
	}
	return hs
}

func (tl *timeline) acceptingListeners(p phaseLine) (hs []holder) {
	for i, l := range tl.listeners {
		h := listenerHolder(i, &l, "accept")
		if tl.place(&h, p, p.start, l.acceptReturned) && h.Held >= Duration(worthShowing) {
			h.Age = Duration(h.end - min(l.closeBegin, h.start))
			h.Detail = l.accepts(&h)
			hs = append(hs, h)
		}
	}
	return hs
}

// accepts says what a listener's accept loop did that held a phase.
func (l *listenerLine) accepts(h *holder) string {
	switch {
	case l.closeBegin > h.end:
		return fmt.Sprintf("Accept of %s goes on: it was not closed", l.goType)
	case l.acceptAbandoned && !h.Open:
		return fmt.Sprintf("Accept of %s had not returned %s after Close", l.goType, h.Age)
	case h.Open:
		return fmt.Sprintf("Accept of %s has not returned %s after Close", l.goType, h.Age)
	}
	return fmt.Sprintf("Accept of %s returned %s after Close", l.goType, h.Age)
}

func listenerHolder(i int, l *listenerLine, part string) holder {
	h := holder{
		name: string(HolderListener), key: holderKey{HolderListener, uint64(i), part}, blame: -1,
	}
	h.Kind, h.Listener = HolderListener, l.addr
	return h
}
