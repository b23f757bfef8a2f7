// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/tracer"
)

const (
	// lookLimit is what a Stop on top of a GracefulStop may spend to see what it is
	// about to cut.
	lookLimit = time.Second
	// returnLimit is how long it waits for the GracefulStop to return, once it has
	// cut it. Handlers may keep that for ever.
	returnLimit = 100 * time.Millisecond
	// flushLimit bounds how long Serve waits for the flush. The flush has its own.
	flushLimit = 3 * time.Second
)

// stop is the first stop call of a server. The others join it.
type stop struct {
	graceful bool
	trace    *tracer.Shutdown
	returned chan struct{} // the first call is about to return
	over     chan struct{} // the report is made, the spans are out
	once     sync.Once
}

// stop begins a stop call and returns what ends it.
func (e *entry) stop(graceful bool) (ended func()) {
	t := e.owner.Load().t
	if t == nil {
		return func() {}
	}
	st, first := e.begin(t, graceful)
	switch {
	case st == nil:
		return func() {}
	case first:
		return func() {
			st.trace.Returned()
			close(st.returned)
			st.finish()
		}
	case within(0, st.over):
		return func() {}
	}
	return st.join(graceful)
}

// begin announces a stop call, on the goroutine of its caller, unless package server
// has. There is nothing to announce of a server that was never used: programs stop
// such ones as a matter of form.
func (e *entry) begin(t *tracer.Tracer, graceful bool) (st *stop, first bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.first != nil || e.announced || !e.used.Load() {
		return e.first, false
	}
	trace, ours := t.BeginShutdown(tracer.Call{
		Graceful: graceful, GRPCVersion: grpc.Version, Compiled: true,
	})
	if !ours {
		e.announced = true
		return nil, false
	}
	e.first = &stop{
		graceful: graceful, trace: trace,
		returned: make(chan struct{}), over: make(chan struct{}),
	}
	return e.first, true
}

// join is a stop call after the first.
func (st *stop) join(graceful bool) (ended func()) {
	name := "Stop"
	if graceful {
		name = "GracefulStop"
	}
	done := st.trace.Joined(name)
	if st.graceful && !graceful {
		st.look()
	}
	return func() {
		done()
		within(returnLimit, st.returned)
		st.finish()
	}
}

// look sees what is going to be cut.
func (st *stop) look() {
	seen := make(chan struct{})
	go func() { // ends by itself
		defer close(seen)
		st.trace.Forced()
	}()
	if !within(lookLimit, seen) {
		st.trace.Forcing()
	}
}

// finish ends the trace: of several calls all wait for the flush.
func (st *stop) finish() {
	ctx := context.Background()
	st.trace.Finish(ctx)
	st.once.Do(func() { close(st.over) })
	st.trace.Deliver(ctx)
}

// within waits for done, for at most d, and reports whether it came.
func within(d time.Duration, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
