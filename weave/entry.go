// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// entry is one grpc server. It must not keep that alive.
type entry struct {
	sink *sink
	late bool // made before it could be seen: it has no interceptor of ours
	// sensors is whose interceptor NewServer got; nil: none of ours.
	sensors *tracer.Tracer
	owner   atomic.Pointer[owner] // never nil
	used    atomic.Bool           // it has served something
	woken   atomic.Int64          // when a stop call was last woken: watch.Instant
	queued  atomic.Int64          // when all connections had been told

	mu    sync.Mutex // guards following
	first *stop
	// inside says that the listener has its sensors below a wrapper's own.
	inside bool
	// announced says that package server has announced a stop: the server has been
	// stopped then, whatever is called later.
	announced bool
}

// owner is whose a server is.
type owner struct {
	t *tracer.Tracer // nil: nobody's, nothing is traced
	// installs says that package server puts the sensors in.
	installs bool
}

func (k *sink) newEntry(t *tracer.Tracer) *entry {
	e := &entry{sink: k}
	e.owner.Store(&owner{t: t})
	return e
}

func (e *entry) table() *watch.Server {
	if t := e.owner.Load().t; t != nil {
		return t.Table()
	}
	return nil
}

// watched tells the table what it will be told of s.
func (e *entry) watched(s *grpc.Server) {
	table := e.table()
	if table == nil {
		return
	}
	if table.ServerAddress() == "" {
		table.SetAddress(fmt.Sprintf("%p", s))
	}
	for b, names := range needs {
		if e.sink.points.has(names...) {
			table.Tells(b)
		}
	}
}

func (e *entry) inUse() { e.used.Store(true) }

func (e *entry) cross(b watch.Boundary) {
	table := e.table()
	now := table.Now()
	if b == watch.GoAwayQueued {
		e.queued.Store(int64(now))
	}
	table.Crossed(b, now)
}

func (e *entry) woke() { e.woken.Store(int64(e.table().Now())) }

// connsGone is called when a stop call is over. One that has waited for no handler
// has not said when the last connection was gone.
func (e *entry) connsGone() {
	table := e.table()
	if table == nil {
		return
	}
	last := max(e.woken.Load(), e.queued.Load())
	table.Crossed(watch.ConnsGone, watch.Instant(last))
}

// describe watches the RPCs of a service, unless package server does.
func (e *entry) describe(sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	own := e.owner.Load()
	switch {
	case own.t == nil:
		return sd
	case !own.installs:
		return interceptors.Describe(own.t, sd, e.late || !e.sink.points.has(pointNewServer))
	case e.sensors != nil && e.sensors != own.t:
		// The server was wrapped after it was made: our interceptor leaves what a
		// descriptor watches alone.
		interceptors.Describe(e.sensors, sd, true)
	}
	return sd
}

// serve watches a listener, unless package server does, and returns what Serve is to
// call last: main returns next, so that waits for the flush.
func (e *entry) serve(lis net.Listener) (use net.Listener, returning func()) {
	own := e.owner.Load()
	if own.t == nil || lis == nil {
		return lis, func() {}
	}
	e.inUse()
	if e.stopping() != nil { // too late: it is not served
		return lis, func() {}
	}
	if !own.installs && !e.servedInside() && !ofXDS(lis) {
		lis = interceptors.Listener(own.t, lis)
	}
	return lis, func() {
		if st := e.stopping(); st != nil {
			within(flushLimit, st.over)
		}
	}
}

// stopping returns the first stop call, nil if there was none.
func (e *entry) stopping() *stop {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.first
}
