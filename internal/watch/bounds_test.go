// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serve takes a connection through its whole life.
func serve(l *Listener) {
	c := l.Accepted(&net.TCPAddr{Port: 2}, io.NopCloser(nil))
	c.HandshakeBegin(time.Now().Add(time.Minute))
	c.ReadBegin()
	c.FramesSeen()
	c.ReadEnd(24, nil)
	c.HandshakeEnd()
	for id := uint32(1); id < 9; id += 2 {
		c.StreamOpened(id, false)
		c.StreamClosed(id)
	}
	c.ReadBegin()
	c.GoAwaySent(true, 1<<31-1)
	c.GoAwaySent(false, 7)
	c.ReadEnd(0, io.EOF)
	c.Closed()
	c.Closed()
}

// TestConnsLeaveNothing: ten thousand connections, some at a time, with
// snapshots in between, leave an empty table.
func TestConnsLeaveNothing(t *testing.T) {
	const workers, each = 8, 1250
	s := NewServer()
	l := s.AddListener(&net.TCPAddr{Port: 1}, "test")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				serve(l)
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
		if n := len(s.Snapshot().Conns); n > workers {
			t.Fatalf("%d connections are in the table, at most %d are open", n, workers)
		}
	}
	if diff := cmp.Diff(counts{}, (&lifecycle{t: t, srv: s}).counts()); diff != "" {
		t.Errorf("the table is not empty (-want +got):\n%s", diff)
	}
}

// TestClosedAreKept: connections that close during a shutdown are kept, bounded
// and counted.
func TestClosedAreKept(t *testing.T) {
	s := NewServer()
	l := s.AddListener(&net.TCPAddr{Port: 1}, "test")
	serve(l)
	s.Watch(func() {})
	const n = keepClosed + keepClosed/4
	for range n {
		serve(l)
	}
	snap := s.Snapshot()
	if len(snap.Conns) > keepClosed {
		t.Errorf("%d are kept, the bound is %d", len(snap.Conns), keepClosed)
	}
	if got := len(snap.Conns) + snap.ForgottenConns; got != n {
		t.Errorf("kept and forgotten are %d together, %d closed", got, n)
	}
	if first, last := snap.Conns[0].ID, snap.Conns[len(snap.Conns)-1].ID; first >= last || last != n+1 {
		t.Errorf("kept are %d to %d, want the last ones, in order", first, last)
	}
	s.Unwatch()
	if snap := s.Snapshot(); len(snap.Conns) != 0 || snap.ForgottenConns != 0 {
		t.Error("the end of the shutdown forgets nothing")
	}
}

// TestOneWatch: a second shutdown of the same server is refused while the first
// is being watched.
func TestOneWatch(t *testing.T) {
	s := NewServer()
	if _, ok := s.Watch(func() {}); !ok {
		t.Fatal("the first is refused")
	}
	if _, ok := s.Watch(func() {}); ok {
		t.Error("the second is not refused")
	}
	s.Unwatch()
	if _, ok := s.Watch(func() {}); !ok {
		t.Error("the third is refused, after the first has ended")
	}
}
