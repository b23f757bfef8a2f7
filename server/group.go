// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/tracer"
)

// Group runs what a process consists of: grpc servers, HTTP servers, and what has
// to be closed after them. It starts all of it or nothing, and stops all of it
// within one grace period.
//
//	g := server.NewGroup(t, server.GracePeriod(25*time.Second))
//	g.Add(server.Member{Name: "api", Server: srv, Addr: ":50051"})
//	g.Add(server.Member{Name: "metrics", HTTP: &http.Server{Handler: mux}, Addr: ":9090",
//		After: []string{"api"}})
//	g.Add(server.Member{Name: "database", Close: db.Shutdown, After: []string{"api"}})
//	err := g.Run(ctx)
//
// # Starting
//
// [Group.Start] listens on every address and then serves them all. An address that
// cannot be had is named, and on Linux so are pid and command of the process that
// has it, as far as this one may see it; the log and a small trace say so, too.
//
// # Stopping
//
// The group stops when [Group.Stop] is called, when the context given to Start or
// Run is done, when Run gets a signal, and when a member fails: its Serve returns
// although nobody stopped the group. Members stop at the same time, but not before
// those that they name in After. All share one budget, the grace period:
//
//   - A member gets what is left when its turn comes, less a fifth of it, at most
//     2 s, for each stage that comes after it, and less a tenth of the whole, at
//     most 1 s, for the flush of the trace.
//   - A member that overruns is forced: a grpc server by [Server.Shutdown]'s logic,
//     an HTTP server by its Close, a Close function by its context. One that has not
//     ended 100 ms later is left behind, and the members after it have their turn.
//   - So Stop returns at most 200 ms after the deadline, whatever members, a logger,
//     an exporter or the report's receiver do.
//
// # Panics
//
// A panic in a Close function, or in an HTTP listener's Accept, is that member's
// error. One in a handler is what it is without a group: net/http recovers it,
// grpc-go does not, nor one in a grpc server's listener.
//
// A Group is used once. Its methods are safe for concurrent use, but Add and Start
// are for one goroutine.
type Group struct {
	t       *tracer.Tracer
	grace   time.Duration
	retry   time.Duration
	broken  error
	members []*member

	draining   chan struct{} // closed when the stop begins
	failed     chan struct{} // closed when a member fails
	over       chan struct{} // closed when the stop is over
	startOver  chan struct{} // closed when Start returns
	serving    sync.WaitGroup
	background sync.WaitGroup

	mu       sync.Mutex // guards following
	started  bool
	abandon  context.CancelCauseFunc // the Start; set with started
	running  bool                    // there is something to stop
	stopping bool
	failure  error         // the first member's to fail
	trace    *tracer.Group // since the stop began; not changed any more
	turns    []*turn
	err      error // what the stop returned; set before over is closed
}

// Member is a part of a [Group]: a grpc server, an HTTP server or something to
// close.
type Member struct {
	// Name says which one it is in errors, in the log and in the trace. It must be
	// unique and not empty, and should be a constant.
	Name string

	// Exactly one of the following three.

	// Server is a grpc server. Its own LameDuck, Health and WithFlush count, and its
	// GracePeriod if it has that option; else the group's alone does.
	Server *Server
	// HTTP is an HTTP server. Its ConnState is wrapped, to count its connections;
	// the rest is as the application set it. Its Shutdown does not wait for
	// connections that handlers have hijacked, such as WebSockets: they are counted.
	// If its Handler is a *Server, that one is stopped before it. With a Server
	// behind another Handler add a member with Close: srv.Shutdown, and name it in
	// this one's After.
	HTTP *http.Server
	// Close is called in the member's turn. It should end with ctx, and is left
	// behind where it does not. It is called once, if Start has served anything.
	Close func(ctx context.Context) error

	// Addr is where a server listens: a TCP address such as ":50051", or the path
	// of a Unix socket after "unix:". By default, HTTP's own Addr. HTTP is served
	// with TLS there if its TLSConfig has a certificate.
	Addr string
	// Listeners are served besides Addr, as they are. The group closes them.
	Listeners []net.Listener

	// After names the members that must have stopped before this one is told to.
	// By default, there are none: it stops at once.
	After []string
}

// NewGroup makes an empty group. Its options are [GracePeriod], which bounds the
// whole stop, and [BindRetry]. With a nil tracer, or an option with a bad value,
// Start returns an error that says so.
func NewGroup(t *tracer.Tracer, opts ...grpc.ServerOption) *Group {
	g := &Group{
		t: t, draining: make(chan struct{}), failed: make(chan struct{}), over: make(chan struct{}),
		startOver: make(chan struct{}),
	}
	if t == nil {
		g.broken = errors.New("server: NewGroup: the *tracer.Tracer is nil: make one with tracer.New")
	}
	g.grace, g.broken = gracePeriod(g.broken)
	for _, o := range opts {
		own, ok := o.(option)
		if !ok || own.group == nil {
			g.broken = errors.Join(g.broken, errors.New(
				"server: NewGroup: its options are GracePeriod and BindRetry, the others are a server's"))
			continue
		}
		g.broken = errors.Join(g.broken, own.group(g))
	}
	return g
}

// Add adds a member. What is wrong with it is [Group.Start]'s error. After Start
// it is too late: the member never runs, and Stop's error says so.
func (g *Group) Add(m Member) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started {
		g.failure = errors.Join(g.failure, &memberError{m.Name, errors.New("added after Start")})
		return
	}
	g.members = append(g.members, &member{Member: m, stopped: make(chan struct{})})
}

// Draining returns a channel that is closed when the group begins to stop, for
// whichever reason. A program that does without Run waits for it, and then calls
// Stop for the result.
func (g *Group) Draining() <-chan struct{} { return g.draining }

// Addrs returns where a member listens, once Start has returned; for port 0.
func (g *Group) Addrs(name string) (addrs []net.Addr) {
	for _, m := range g.members {
		for _, l := range m.served {
			if m.Name == name {
				addrs = append(addrs, l.Addr())
			}
		}
	}
	return addrs
}

// fail has the group stop because of a member. Only the first counts: the others
// may be its consequence.
func (g *Group) fail(m *member, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stopping || g.failure != nil {
		return
	}
	g.failure = &memberError{m.Name, err}
	close(g.failed)
}

// memberError says whose error it is.
type memberError struct {
	name string
	err  error
}

// Error implements error.
func (e *memberError) Error() string { return "member " + e.name + ": " + e.err.Error() }

// Unwrap returns the member's own error.
func (e *memberError) Unwrap() error { return e.err }
