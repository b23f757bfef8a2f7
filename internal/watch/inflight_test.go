// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type contextKey struct{}

// TestInflightConcurrent begins and ends RPCs on all sides while snapshots are
// taken: each must be whole, and none may be left.
func TestInflightConcurrent(t *testing.T) {
	const workers, rounds = 8, 500
	s := NewServer()
	methods := []*Method{{Name: "s/A"}, {Name: "s/B"}}
	var wg sync.WaitGroup
	for w := range workers {
		m := methods[w%2]
		ctx := context.WithValue(t.Context(), contextKey{}, m)
		wg.Go(func() {
			for range rounds {
				outer := s.Begin(ctx, m)
				var r RPC
				var msgs Messages
				s.BeginStream(ctx, m, &r, &msgs)
				msgs.RecvBegin(s)
				msgs.RecvEnd(s, true)
				s.EndStream(&r)
				s.End(outer)
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, r := range s.Snapshot().RPCs {
			if r.Method == nil || r.Ctx.Value(contextKey{}) != r.Method || r.Begin == 0 {
				t.Fatalf("a torn entry: %+v", r)
			}
		}
	}
	if left := s.Snapshot().RPCs; len(left) != 0 {
		t.Errorf("%d RPCs are left, none is in flight", len(left))
	}
}

// TestInflightIDs: ids are unique, whichever shard an RPC is in.
func TestInflightIDs(t *testing.T) {
	const n = 4 * shards
	s, m := NewServer(), &Method{Name: "s/A"}
	rpcs := make([]*RPC, n)
	for i := range rpcs {
		rpcs[i] = s.Begin(t.Context(), m)
	}
	seen := make(map[uint64]bool)
	for _, r := range s.Snapshot().RPCs {
		seen[r.ID] = true
	}
	if len(seen) != n {
		t.Errorf("%d RPCs have %d ids", n, len(seen))
	}
	for i := range rpcs { // from the back of each list to its front
		s.End(rpcs[i])
		if got, want := len(s.Snapshot().RPCs), n-i-1; got != want {
			t.Fatalf("%d RPCs are in flight, want %d", got, want)
		}
	}
}

// TestEndedAreKept: what ends during a shutdown is kept for its report, bounded
// and counted, the last ones first; at rest nothing is.
func TestEndedAreKept(t *testing.T) {
	s, m := NewServer(), &Method{Name: "s/A"}
	s.End(s.Begin(t.Context(), m))
	s.Watch(func() {})
	const n = shards * keepEnded * 2
	rpcs := make([]*RPC, n)
	for i := range rpcs {
		rpcs[i] = s.Begin(t.Context(), m)
	}
	for _, r := range rpcs {
		s.End(r)
	}
	snap := s.Snapshot()
	if len(snap.RPCs) > shards*keepEnded {
		t.Errorf("%d are kept, the bound is %d", len(snap.RPCs), shards*keepEnded)
	}
	if got := len(snap.RPCs) + snap.ForgottenRPCs; got != n {
		t.Errorf("kept and forgotten are %d together, %d ended", got, n)
	}
	last := snap.RPCs[0].End
	for _, r := range snap.RPCs {
		last = max(last, r.End)
	}
	if at := snap.At; last == 0 || last > at {
		t.Errorf("the last of them ended at %d, the snapshot was taken at %d", last, at)
	}
	s.Unwatch()
	if snap := s.Snapshot(); len(snap.RPCs) != 0 || snap.ForgottenRPCs != 0 {
		t.Error("the end of the shutdown forgets nothing")
	}
}

// TestStreamOperations: how long a stream has been in Recv and Send, counted
// from the shutdown's call on.
func TestStreamOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wait := func() { time.Sleep(time.Second) } // of the bubble's
		s, m := NewServer(), &Method{Name: "s/A"}
		var r RPC
		var msgs Messages
		s.BeginStream(t.Context(), m, &r, &msgs)
		msgs.SendBegin(s)
		wait()
		msgs.SendEnd(s, true)
		msgs.RecvBegin(s)
		since := s.Now()
		wait()
		s.Watch(func() {})
		wait()
		check := func(recv, send OperationState) {
			t.Helper()
			got := s.Snapshot().RPCs[0]
			if diff := cmp.Diff([]OperationState{recv, send},
				[]OperationState{got.Recv, got.Send}); diff != "" {
				t.Errorf("Recv and Send (-want +got):\n%s", diff)
			}
		}
		check(OperationState{Since: since, Held: time.Second}, OperationState{Count: 1})
		msgs.RecvEnd(s, true)
		recv := OperationState{Since: since, Until: s.Now(), Held: time.Second, Count: 1}
		wait()
		send := OperationState{Since: s.Now(), Held: time.Second, Count: 1}
		msgs.SendBegin(s)
		wait()
		msgs.SendEnd(s, false)
		send.Until = s.Now()
		msgs.RecvBegin(s) // a shorter one
		msgs.RecvEnd(s, true)
		recv.Count++
		check(recv, send)
		s.EndStream(&r)
		wait()
		check(recv, send)
	})
}
