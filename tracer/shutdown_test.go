// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// newTestTracer makes a quiet one that sends to the sink it returns.
func newTestTracer(t *testing.T, opts ...Option) (*Tracer, *sink) {
	t.Helper()
	k := &sink{}
	tr, err := New(t.Context(), append([]Option{
		WithExporter(k.factory), WithLogger(slog.New(slog.DiscardHandler)),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr, k
}

// open gives a server one listener, and one connection that is a transport.
func open(table *watch.Server) (*watch.Listener, *watch.Conn) {
	lis := table.AddListener(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 100), Port: 50051}, "*net.TCPListener")
	lis.AcceptBegin()
	c := lis.Accepted(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40001}, closer{})
	c.HandshakeBegin(time.Now().Add(time.Minute))
	c.HandshakeEnd()
	lis.AcceptBegin()
	return lis, c
}

func closeListener(lis *watch.Listener) {
	lis.CloseBegin()
	lis.AcceptEnd()
	lis.CloseEnd()
}

// TestBeginTwice: the second call is given the first one's shutdown, and both
// the same report.
func TestBeginTwice(t *testing.T) {
	reports := 0
	tr, _ := newTestTracer(t, WithReport(func(*Report) { reports++ }))
	s, first := tr.BeginShutdown(Call{Graceful: true})
	again, second := tr.BeginShutdown(Call{Graceful: true})
	if !first || second || again != s {
		t.Errorf("first %t, second %t, the same: %t", first, second, again == s)
	}
	s.Returned()
	var wg sync.WaitGroup
	got := make([]*Report, 4)
	for i := range got {
		wg.Go(func() { got[i] = s.Finish(context.Background()) })
	}
	wg.Wait()
	for _, r := range got {
		if r == nil || r != got[0] {
			t.Error("Finish does not return the same report again")
		}
	}
	s.Deliver(t.Context())
	s.Deliver(t.Context())
	if reports != 1 {
		t.Errorf("%d reports were handed out, want 1", reports)
	}
}

// TestShutdownAgain: a server that stops and starts again has a trace for each
// stop, and nothing of the one before in it.
func TestShutdownAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := newTestTracer(t)
		traces := make(map[string]bool)
		for range 3 {
			lis, c := open(tr.Table())
			r := tr.Table().Begin(t.Context(), sayHello)
			s, first := tr.BeginShutdown(Call{Graceful: true})
			if !first {
				t.Fatal("the shutdown before is still there")
			}
			closeListener(lis)
			time.Sleep(time.Second) // of the bubble's
			tr.Table().End(r)
			c.ReadEnd(0, net.ErrClosed)
			c.Closed()
			s.Returned()
			report := s.Finish(t.Context())
			traces[report.TraceID] = true
			wait := report.Phases[4]
			if report.Outcome != OutcomeGraceful || wait.LeftAtStart.Connections != 1 ||
				wait.LeftAtEnd.Connections != 0 || len(wait.Bars) == 0 {
				t.Errorf("%s, %+v, then %+v", report.Verdict, wait.LeftAtStart, wait.LeftAtEnd)
			}
		}
		if len(traces) != 3 {
			t.Errorf("%d traces of 3 shutdowns", len(traces))
		}
		snap := tr.Table().Snapshot()
		if len(snap.Conns) != 0 || len(snap.RPCs) != 0 {
			t.Errorf("%d connections and %d RPCs are left in the table", len(snap.Conns), len(snap.RPCs))
		}
	})
}

// TestFinishWithoutReturned: the server gave up, and what holds is left behind.
func TestFinishWithoutReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, k := newTestTracer(t)
		lis, _ := open(tr.Table())
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		closeListener(lis)
		time.Sleep(4 * time.Second) // of the bubble's
		if held := s.Forced(); len(held) != 1 || held[0].Peer != "10.0.0.1:40001" {
			t.Errorf("what holds is %+v, want one connection", held)
		}
		time.Sleep(time.Second) // of the bubble's
		r := s.Finish(t.Context())
		last := r.Phases[len(r.Phases)-1]
		if r.Outcome != OutcomeForced || !last.Open || last.Name != PhaseForcedStop ||
			r.Duration != Duration(5*time.Second) ||
			!strings.Contains(r.Verdict, "left behind: connection from 10.0.0.1:40001") {
			t.Errorf("%s after %s, %s open: %t: %s", r.Outcome, r.Duration, last.Name, last.Open, r.Verdict)
		}
		fitsJaeger(t, k.spans)
	})
}

// TestTwoServers of one tracer stop at the same time: two traces, and nothing of
// one in the other.
func TestTwoServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, k := newTestTracer(t)
		first, second := tr.ForServer(), tr.ForServer()
		if first != tr || second == tr {
			t.Fatal("ForServer gives the tracer itself to the first server only")
		}
		lis, _ := open(first.Table())
		a, _ := first.BeginShutdown(Call{Graceful: true})
		b, begun := second.BeginShutdown(Call{Graceful: true})
		if !begun {
			t.Fatal("the second server's shutdown joined the first's")
		}
		closeListener(lis)
		time.Sleep(2 * time.Second) // of the bubble's
		b.Returned()
		a.Returned()
		rb, ra := b.Finish(t.Context()), a.Finish(t.Context())
		if ra.TraceID == rb.TraceID || ra.Phases[0].LeftAtStart.Connections != 1 ||
			rb.Phases[0].LeftAtStart.Connections != 0 {
			t.Errorf("first: %s, second: %s", ra.Verdict, rb.Verdict)
		}
		if len(k.spans) != ra.Spans.Sent+rb.Spans.Sent {
			t.Errorf("%d spans, the reports say %d and %d", len(k.spans), ra.Spans.Sent, rb.Spans.Sent)
		}
	})
}

// TestBlockedWriteIsRemembered: the report has the same phases as the view while
// a Write was blocked, although the forced stop has ended it since.
func TestBlockedWriteIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := newTestTracer(t)
		lis, c := open(tr.Table())
		c.FramesSeen()
		c.ReadBegin()
		c.WriteBegin()
		time.Sleep(10 * time.Second) // of the bubble's
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		closeListener(lis)
		time.Sleep(4 * time.Second) // of the bubble's
		_, views := s.view()
		before := views[3].phaseLine
		time.Sleep(4 * time.Second) // of the bubble's
		s.Forced()
		c.WriteEnd(0)
		c.ReadEnd(0, net.ErrClosed)
		c.Closed()
		s.Returned()
		report := s.Finish(context.Background())
		if got := report.Phases[3]; got.Name != before.phase ||
			time.Duration(got.Duration) != before.end-before.start {
			t.Errorf("%s took %s, it was %+v", got.Name, got.Duration, before)
		}
		if got := report.Phases[4].Culprit; got == nil || got.State != stateWriteBlocked {
			t.Errorf("conn wait's culprit is %+v, want a blocked Write", got)
		}
	})
}
