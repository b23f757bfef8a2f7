// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/watch"
)

const (
	// maxOutlived bounds the handlers that are followed when the stop is over,
	// and maxOutlivedSpans those of them that get a span when they end.
	maxOutlived      = 1000
	maxOutlivedSpans = 50
	// atOnce is within what a handler returns that only waited for the stop, as
	// one does that made the stop call.
	atOnce = 10 * time.Millisecond
	// outlivedClose bounds what Close waits for a logger or an exporter.
	outlivedClose = time.Second
)

// spanOutlived is, with a method, the name of the span of a handler that has
// outlived the stop: from the stop's end to its own.
const spanOutlived = "outlived handler"

// outlived follows the handlers that still run when a stop is over, until they
// have ended or the process has. It has no goroutine while it waits.
type outlived struct {
	s       *Shutdown
	over    watch.Instant // the stop was
	builder *builder      // of the one who tells

	mu      sync.Mutex // guards following
	timer   *time.Timer
	running map[uint64]watch.RPCState
	ended   []watch.RPCState // not told yet
	due     time.Duration    // the next checkpoint, since over
	spans   int              // sent
	busy    chan struct{}    // closed when what is being told has been told; nil: nothing is
	closed  bool
}

// followOutlived begins to follow, if there is anybody.
func (s *Shutdown) followOutlived() {
	// The shutdown's builder may still be in use: a snapshot that was not waited for.
	o := &outlived{
		s: s, over: s.t.table.Now(), running: make(map[uint64]watch.RPCState),
		due: nextCheckpoint(0), builder: s.newBuilder(),
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.timer = time.AfterFunc(o.due, o.tell)
	for _, st := range s.t.table.Follow(maxOutlived, o.end) {
		o.running[st.ID] = st
	}
	if len(o.running) == 0 || !s.t.outlive.add(o) {
		o.closed = true
		o.timer.Stop()
	}
}

// end is called when a handler has returned, on its goroutine.
func (o *outlived) end(st watch.RPCState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	delete(o.running, st.ID)
	if time.Duration(st.End-o.over) >= atOnce {
		o.ended = append(o.ended, st)
		o.timer.Reset(0)
	} else if len(o.running) == 0 && len(o.ended) == 0 && o.busy == nil {
		o.timer.Stop()
		o.s.t.outlive.remove(o)
	}
}

// tell logs what has ended, and at a checkpoint what has not. A logger that hangs
// keeps nobody else: what comes meanwhile is told when it returns.
func (o *outlived) tell() {
	o.mu.Lock()
	if o.busy != nil || o.closed {
		o.mu.Unlock()
		return
	}
	o.busy = make(chan struct{})
	for !o.closed {
		ended, at := o.ended, time.Duration(o.s.t.table.Now()-o.over)
		o.ended = nil
		var still *watch.RPCState
		if at >= o.due {
			still = o.oldest()
			for o.due <= at {
				o.due = nextCheckpoint(o.due)
			}
		}
		left := len(o.running)
		spans := min(maxOutlivedSpans-o.spans, len(ended))
		o.spans += spans
		if len(ended) == 0 && still == nil {
			break
		}
		o.mu.Unlock()
		o.s.guard(func() { o.report(ended, still, left, at) })
		o.s.guard(func() { o.send(ended[:spans]) })
		o.mu.Lock()
	}
	close(o.busy)
	o.busy = nil
	if len(o.running) > 0 && !o.closed {
		o.timer.Reset(o.due - time.Duration(o.s.t.table.Now()-o.over))
	} else {
		o.s.t.outlive.remove(o)
	}
	o.mu.Unlock()
}

// oldest is the one of those that run which began first. o.mu must be held.
func (o *outlived) oldest() (first *watch.RPCState) {
	for _, st := range o.running {
		if first == nil || cmp.Or(cmp.Compare(st.Begin, first.Begin), cmp.Compare(st.ID, first.ID)) < 0 {
			first = &st
		}
	}
	return first
}

func (o *outlived) report(ended []watch.RPCState, still *watch.RPCState, left int, at time.Duration) {
	for i := range ended {
		st := &ended[i]
		o.s.logOutlivedEnded(o.handler(st, st.End-o.over), left+len(ended)-1-i)
	}
	if still != nil {
		o.s.logOutlived(o.handler(still, watch.Instant(at)), left)
	}
}

// handler is one that has outlived the stop for some time.
func (o *outlived) handler(st *watch.RPCState, held watch.Instant) *Holder {
	r := o.builder.rpc(st)
	return &Holder{
		Kind: HolderHandler, Method: r.method.Name, Original: clean(r.method.Original),
		Peer: r.peer, Client: r.client, Held: Duration(held),
		Age: Duration(held + o.over - st.Begin), Source: o.s.source(st.ID),
	}
}

// send sends a span for each handler that has ended, from the end of the stop on.
func (o *outlived) send(ended []watch.RPCState) {
	if len(ended) == 0 {
		return
	}
	session := o.s.t.out.Open()
	for i := range ended {
		session.Emit(o.span(&ended[i]))
	}
	logLost(o.s.log, session.Flush(context.Background()))
}

func (o *outlived) span(st *watch.RPCState) exporter.Span {
	r, h := o.builder.rpc(st), o.handler(st, st.End-o.over)
	start := o.s.wall.Add(time.Duration(o.over - o.s.begun))
	attrs := []attr{
		{keyKind, string(h.Kind)}, {keyAge, time.Duration(h.Age).Seconds()},
		{keyRPCSystem, rpcSystem},
	}
	attrs = append(attrs, said(attr{keyRPCMethod, h.Method},
		attr{keyRPCOriginal, h.Original}, attr{keyClient, h.Client},
		attr{keyCodeSource, h.Source})...)
	return exporter.Span{
		TraceID: o.s.spans.traceID, SpanID: newSpanID(), Parent: o.s.spans.root,
		Name: withMethod(spanOutlived, r.method.Short), Start: start, End: start.Add(time.Duration(h.Held)),
		Attributes: attributes(append(attrs, peerAttrs(h.Peer)...)),
	}
}

// source is where a handler was when the goroutines were looked at last.
func (s *Shutdown) source(rpc uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, _ := (&timeline{dumps: s.dumps}).stack(rpc)
	return l.source
}

// close ends it.
func (o *outlived) close() {
	o.mu.Lock()
	o.closed = true
	o.timer.Stop()
	busy := o.busy
	o.mu.Unlock()
	o.s.t.table.Unfollow()
	if busy != nil {
		await(outlivedClose, busy)
	}
}

// outliving are the handlers that outlived the stops of a process's servers.
type outliving struct {
	mu     sync.Mutex // guards following
	all    []*outlived
	closed bool
}

func (l *outliving) add(o *outlived) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.all = append(l.all, o)
	}
	return !l.closed
}

func (l *outliving) remove(o *outlived) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = slices.DeleteFunc(l.all, func(x *outlived) bool { return x == o })
}

func (l *outliving) close() {
	l.mu.Lock()
	l.closed = true
	all := slices.Clone(l.all)
	l.mu.Unlock()
	for _, o := range all {
		o.close()
	}
}
