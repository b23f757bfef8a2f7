// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// keepClosed bounds how many connections that closed during a shutdown are
// kept for its report. The ones that closed last held it longest.
const keepClosed = 20_000

// Server is the table of one grpc server. It is safe for concurrent use.
type Server struct {
	Clock

	// Resolve reads from an RPC's context who called. It is set once, before
	// the first RPC, and called only during a shutdown.
	Resolve func(context.Context) Caller
	// AllClosing is called when the last listener that was open begins to close
	// and no shutdown is being watched: somebody stops the server without
	// having said so. It is set once, before the first listener is added.
	AllClosing func()

	// Panicked is called when a handler unwinds instead of returning, on its
	// goroutine. It is set once, before the first RPC.
	Panicked func(RPCState)
	// UserTimeout is the TCP_USER_TIMEOUT that grpc would set, in
	// nanoseconds: the Timeout of its keepalive.ServerParameters. Zero: none.
	UserTimeout atomic.Int64

	// Intercepted says that interceptors see all RPCs of the server, whatever its
	// services were registered with.
	Intercepted atomic.Bool

	address, served atomic.Pointer[string] // see SetAddress and ServedBy

	inflight inflight
	draining atomic.Bool // a first GOAWAY has left since Watch
	asks     atomic.Bool // a connection was accepted that has not told its peer
	// watchedSince is when a shutdown began; zero: none is being watched.
	watchedSince atomicInstant
	shared       sync.Once
	common       any

	mu         sync.Mutex // guards following
	listeners  []*Listener
	conns      map[*Conn]struct{}
	closed     []*Conn // left the table since Watch, oldest first
	forgotten  int     // how many of those were dropped to stay within bounds
	nextID     uint64
	lastAccept Instant
	wake       func()
	serving    func() // see OnServe
	shaking    int    // accepted, neither a transport yet nor closed
	unsent     int    // transports whose first GOAWAY has not left
	open       int    // transports that are not gone
	releasing  bool   // a forced stop is on: see ReleaseListeners
	compiled   Compiled
}

// Caller is who made an RPC, as far as its context tells.
type Caller struct {
	Addr      net.Addr
	UserAgent string
	Span      trace.SpanContext // the app's own span, if it has one
	Client    string            // who is behind a proxy, as that says
	// HTTP says that the RPC came through ServeHTTP, Awaited that package server
	// waits for it: see [ThroughHTTP].
	HTTP, Awaited bool
}

// NewServer returns an empty table.
func NewServer() *Server {
	s := &Server{Clock: NewClock(), conns: make(map[*Conn]struct{})}
	s.UserTimeout.Store(int64(20 * time.Second)) // grpc's default keepalive Timeout
	s.inflight.init()
	return s
}

// Shared returns what the first call's create returned: state that the sensors of
// one server have in common.
func (s *Server) Shared(create func() any) any {
	s.shared.Do(func() { s.common = create() })
	return s.common
}

// allClosingLocked reports whether every listener is closing, unannounced. s.mu
// must be held.
func (s *Server) allClosingLocked() bool {
	return s.watchedSince.get() == 0 && !slices.ContainsFunc(s.listeners, func(l *Listener) bool {
		return l.closeBegin == 0
	})
}

// WatchedSince is when the shutdown began that is being watched; zero: none is.
func (s *Server) WatchedSince() Instant { return s.watchedSince.get() }

// Draining reports whether a first GOAWAY has left since Watch.
func (s *Server) Draining() bool { return s.draining.Load() }

// Accepted returns how many connections have been accepted, and when the last one
// was; zero: none.
func (s *Server) Accepted() (n uint64, last Instant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextID, s.lastAccept
}

// SetAddress says the *grpc.Server's address, as a dump of the goroutines shows it.
func (s *Server) SetAddress(address string) { s.address.Store(&address) }

// ServedBy says by its address which *grpc.Server accepts connections, for when
// SetAddress is not called. Of several none is known.
func (s *Server) ServedBy(address string) {
	if address == "" || s.served.CompareAndSwap(nil, &address) || *s.served.Load() == address {
		return
	}
	s.served.Store(new(string))
}

// ServerAddress is what SetAddress or else ServedBy was told, empty if it is not known.
func (s *Server) ServerAddress() string {
	for _, p := range []*string{s.address.Load(), s.served.Load()} {
		if p != nil {
			return *p
		}
	}
	return ""
}

// Listening reports whether a listener is open that is served.
func (s *Server) Listening() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.listeners, func(l *Listener) bool { return l.closeBegin == 0 })
}

// Shaking reports whether a handshake is left.
func (s *Server) Shaking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shaking > 0
}

// Empty reports whether nothing is left: no accept loop, no connection and no
// RPC.
func (s *Server) Empty() bool {
	s.mu.Lock()
	held := s.shaking > 0 || s.open > 0 || s.listeningLocked()
	s.mu.Unlock()
	return !held && s.inflight.empty()
}

// AddListener makes a listener known. It is in the table from its first Accept
// on. goType names its type.
func (s *Server) AddListener(addr net.Addr, goType string) *Listener {
	return &Listener{srv: s, addr: addr, goType: goType, released: make(chan struct{})}
}

// addLocked puts a listener into the table. s.mu must be held.
func (s *Server) addLocked(l *Listener) {
	// A server that stops and starts again leaves its old listeners behind.
	s.listeners = slices.DeleteFunc(s.listeners, func(l *Listener) bool {
		return s.watchedSince.get() == 0 && l.overLocked()
	})
	s.listeners = append(s.listeners, l)
	if s.serving != nil {
		s.serving()
	}
}

// OnServe has f called at each listener's first Accept from now on. f must not
// block, nor use s.
func (s *Server) OnServe(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving = f
}

// Watch starts a shutdown: from now on what ends is kept. wake is called when
// a phase may have ended; it must not block. Watch returns the moment from
// which it watches; ok is false when another shutdown is being watched.
func (s *Server) Watch(wake func()) (call Instant, ok bool) {
	call, ok = s.watch(wake)
	if ok && s.asks.Load() {
		go s.identify()
	}
	return call, ok
}

func (s *Server) watch(wake func()) (call Instant, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watchedSince.get() != 0 {
		return 0, false
	}
	s.wake = wake
	s.compiled.at = [boundaries]Instant{}
	s.draining.Store(false)
	call = s.Now()
	s.watchedSince.Store(int64(call))
	return call, true
}

// Unwatch ends what Watch began and forgets what was kept.
func (s *Server) Unwatch() {
	s.mu.Lock()
	s.watchedSince.Store(0)
	s.wake, s.closed, s.forgotten, s.releasing = nil, nil, 0, false
	s.inflight.forget()
	s.mu.Unlock()
	for _, c := range s.present() {
		c.mu.Lock()
		c.settleLocked()
		c.mu.Unlock()
	}
}

// acceptedLocked wakes the shutdown's goroutine when neither an accept loop nor
// a handshake is left: the handshake wait is over. A snapshot is not cheap, so
// what is over before that is told then. s.mu must be held.
func (s *Server) acceptedLocked() {
	if s.wake != nil && s.shaking == 0 && !s.listeningLocked() {
		s.wake()
	}
}

// accepted reports whether neither an accept loop nor a handshake is left.
func (s *Server) accepted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shaking == 0 && !s.listeningLocked()
}

// sentLocked takes one from the transports that have not sent a GOAWAY, and
// wakes the shutdown's goroutine when none is left. s.mu must be held.
func (s *Server) sentLocked() {
	s.unsent--
	if s.wake != nil && s.unsent == 0 {
		s.wake()
	}
}

// listeningLocked reports whether an accept loop is left. s.mu must be held.
func (s *Server) listeningLocked() bool {
	return slices.ContainsFunc(s.listeners, func(l *Listener) bool { return !l.overLocked() })
}

// Snapshot is the table at one moment.
type Snapshot struct {
	At         Instant
	Listeners  []ListenerState
	Conns      []ConnState
	RPCs       []RPCState
	LastAccept Instant
	Compiled   Compiled
	// Forgotten counts connections and RPCs that ended early in the shutdown
	// and were dropped to stay within bounds.
	ForgottenConns, ForgottenRPCs int
}

// Snapshot reads everything. Between Watch and Unwatch it includes what has
// ended since. Its cost is linear in what the table holds.
func (s *Server) Snapshot() Snapshot {
	s.mu.Lock()
	snap := Snapshot{
		At: s.Now(), LastAccept: s.lastAccept, ForgottenConns: s.forgotten, Compiled: s.compiled,
		Listeners: make([]ListenerState, 0, len(s.listeners)),
		Conns:     make([]ConnState, 0, len(s.conns)+len(s.closed)),
	}
	for _, l := range s.listeners {
		snap.Listeners = append(snap.Listeners, l.stateLocked())
	}
	conns := make([]*Conn, 0, cap(snap.Conns))
	conns = append(conns, s.closed...)
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	slices.SortFunc(conns, func(a, b *Conn) int { return cmp.Compare(a.id, b.id) })
	for _, c := range conns {
		snap.Conns = append(snap.Conns, c.state())
	}
	snap.RPCs, snap.ForgottenRPCs = s.inflight.snapshot(s.watchedSince.get(), snap.At)
	return snap
}
