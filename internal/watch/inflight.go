// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	shards = 64
	// keepEnded bounds, per shard, the RPCs that ended during a shutdown and
	// are kept for its report. The ones that ended last held it longest.
	keepEnded = 512
)

// Method is a method of a service. There is one for each registered method;
// RPCs point to it.
type Method struct {
	Name       string // pkg.Service/Method; _OTHER when not registered
	Short      string // Service/Method, for span names
	Original   string // what the client asked for, when not registered
	Registered bool
}

// RPC is one RPC in flight, from before its message is decoded until its
// handler has returned.
type RPC struct {
	shard      *shard
	prev, next *RPC
	method     *Method
	ctx        context.Context
	begin      Instant
	id         uint64
	messages   *Messages      // nil for a unary RPC
	ended      func(RPCState) // see Server.Follow; guarded by the shard's mu
}

// Messages counts the messages of a streaming RPC. Recv and Send may run at
// the same time, each in one goroutine at a time, as grpc demands.
type Messages struct {
	recv, send operation
}

// operation is RecvMsg or SendMsg.
type operation struct {
	since atomicInstant // in flight since
	held  atomic.Int64  // nanoseconds spent in it during a shutdown
	count atomic.Int64  // messages
	// The longest one during a shutdown, of those that have ended.
	longSince, longUntil atomicInstant
}

func (o *operation) begin(s *Server) { o.since.Store(int64(s.Now())) }

func (o *operation) end(s *Server, ok bool) {
	if call := s.watchedSince.get(); call != 0 {
		since, now := o.since.get(), s.Now()
		o.held.Add(int64(now - max(call, since)))
		if now-max(call, since) >= o.longUntil.get()-max(call, o.longSince.get()) {
			o.longSince.Store(int64(since))
			o.longUntil.Store(int64(now))
		}
	}
	o.since.Store(0)
	if ok {
		o.count.Add(1)
	}
}

func (o *operation) state(call, now Instant) OperationState {
	since := o.since.get()
	st := OperationState{
		Since: o.longSince.get(), Until: o.longUntil.get(),
		Held: time.Duration(o.held.Load()), Count: o.count.Load(),
	}
	if since == 0 {
		return st
	}
	if call != 0 {
		st.Held += time.Duration(now - max(call, since))
	}
	if now-max(call, since) >= st.Until-max(call, st.Since) {
		st.Since, st.Until = since, 0
	}
	return st
}

// OperationState is a snapshot of a stream's RecvMsg or SendMsg.
type OperationState struct {
	// Since and Until are of the longest one since Watch; Until is zero while it
	// is in flight. Both are zero if there was none.
	Since, Until Instant
	Held         time.Duration // spent in it since Watch
	Count        int64         // messages
}

// RecvBegin is called before a RecvMsg.
func (m *Messages) RecvBegin(s *Server) { m.recv.begin(s) }

// RecvEnd is called after it; ok says that it brought a message.
func (m *Messages) RecvEnd(s *Server, ok bool) { m.recv.end(s, ok) }

// SendBegin is called before a SendMsg.
func (m *Messages) SendBegin(s *Server) { m.send.begin(s) }

// SendEnd is called after it; ok says that grpc took the message.
func (m *Messages) SendEnd(s *Server, ok bool) { m.send.end(s, ok) }

// RPCState is a snapshot of an RPC.
type RPCState struct {
	ID         uint64
	Method     *Method
	Ctx        context.Context
	Begin, End Instant
	Stream     bool
	Recv, Send OperationState // of a stream
}

// inflight is the set of RPCs in flight. An RPC takes the lock of one shard
// twice, for a few nanoseconds; entries of unary RPCs come from a pool whose
// per-processor caches keep a processor on its own shards.
type inflight struct {
	shards [shards]shard
	pool   sync.Pool
	spread atomic.Uint32
}

type shard struct {
	mu        sync.Mutex // guards following
	head      *RPC
	seq       uint64
	index     uint64
	ended     []RPCState
	forgotten int
	_         [40]byte // its own cache line
}

func (in *inflight) init() {
	for i := range in.shards {
		in.shards[i].index = uint64(i)
	}
	in.pool.New = func() any { return &RPC{shard: in.nextShard()} }
}

func (in *inflight) nextShard() *shard { return &in.shards[in.spread.Add(1)%shards] }

// Begin adds a unary RPC. It must be ended by [Server.End].
func (s *Server) Begin(ctx context.Context, m *Method) *RPC {
	r := s.inflight.pool.Get().(*RPC)
	r.method, r.ctx, r.begin = m, ctx, s.Now()
	r.shard.add(r)
	return r
}

// End takes a unary RPC out. r must not be used afterwards.
func (s *Server) End(r *RPC) {
	s.remove(r)
	r.method, r.ctx = nil, nil
	s.inflight.pool.Put(r)
}

// BeginStream adds a streaming RPC, whose r and msgs are part of its stream's
// own wrapper: a handler that uses its stream after it has returned must not
// touch another RPC's.
func (s *Server) BeginStream(ctx context.Context, m *Method, r *RPC, msgs *Messages) {
	r.shard = s.inflight.nextShard()
	r.method, r.ctx, r.begin, r.messages = m, ctx, s.Now(), msgs
	r.shard.add(r)
}

// EndStream takes a streaming RPC out.
func (s *Server) EndStream(r *RPC) { s.remove(r) }

func (sh *shard) add(r *RPC) {
	sh.mu.Lock()
	sh.seq++
	r.id = sh.seq*shards + sh.index
	r.prev, r.next = nil, sh.head
	if sh.head != nil {
		sh.head.prev = r
	}
	sh.head = r
	sh.mu.Unlock()
}

func (s *Server) remove(r *RPC) {
	sh := r.shard
	sh.mu.Lock()
	if r.prev != nil {
		r.prev.next = r.next
	} else {
		sh.head = r.next
	}
	if r.next != nil {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
	if call := s.watchedSince.get(); call != 0 {
		sh.keep(r, call, s.Now())
	}
	var tell func()
	if r.ended != nil {
		tell = r.over(s.Now())
	}
	sh.mu.Unlock()
	if tell != nil {
		tell()
	}
}

// keep records an RPC that ended during a shutdown. sh.mu must be held.
func (sh *shard) keep(r *RPC, call, now Instant) {
	if len(sh.ended) >= keepEnded {
		half := keepEnded / 2
		sh.forgotten += half
		sh.ended = append(sh.ended[:0], sh.ended[half:]...)
	}
	state := r.state(call, now)
	state.End = now
	sh.ended = append(sh.ended, state)
}

func (r *RPC) state(call, now Instant) RPCState {
	s := RPCState{ID: r.id, Method: r.method, Ctx: r.ctx, Begin: r.begin}
	if m := r.messages; m != nil {
		s.Stream = true
		s.Recv, s.Send = m.recv.state(call, now), m.send.state(call, now)
	}
	return s
}

func (in *inflight) snapshot(call, now Instant) (states []RPCState, forgotten int) {
	states = make([]RPCState, 0, in.size())
	for i := range in.shards {
		sh := &in.shards[i]
		sh.mu.Lock()
		states = append(states, sh.ended...)
		forgotten += sh.forgotten
		for r := sh.head; r != nil; r = r.next {
			states = append(states, r.state(call, now))
		}
		sh.mu.Unlock()
	}
	return states, forgotten
}

// Entries returns the RPCs in flight that had begun at a moment, with their ids,
// by entry. They have had their entries since then; one of a unary RPC may be
// another RPC's a moment later.
func (s *Server) Entries(at Instant) map[*RPC]uint64 {
	entries := make(map[*RPC]uint64)
	for i := range s.inflight.shards {
		sh := &s.inflight.shards[i]
		sh.mu.Lock()
		for r := sh.head; r != nil; r = r.next {
			if r.begin <= at {
				entries[r] = r.id
			}
		}
		sh.mu.Unlock()
	}
	return entries
}

// size is how many states a snapshot has, about.
func (in *inflight) size() (n int) {
	for i := range in.shards {
		sh := &in.shards[i]
		sh.mu.Lock()
		n += len(sh.ended)
		for r := sh.head; r != nil; r = r.next {
			n++
		}
		sh.mu.Unlock()
	}
	return n
}

func (in *inflight) empty() bool {
	for i := range in.shards {
		sh := &in.shards[i]
		sh.mu.Lock()
		held := sh.head != nil
		sh.mu.Unlock()
		if held {
			return false
		}
	}
	return true
}

func (in *inflight) forget() {
	for i := range in.shards {
		sh := &in.shards[i]
		sh.mu.Lock()
		sh.ended, sh.forgotten = nil, 0
		sh.mu.Unlock()
	}
}
