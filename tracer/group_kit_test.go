// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// handmadeGroup is a group whose members are told what to do. It lives in a bubble.
type handmadeGroup struct {
	*Group
	t        *testing.T
	tr       *Tracer
	k        sink
	log      strings.Builder
	stopping sync.WaitGroup
}

func newGroup(t *testing.T) *handmadeGroup {
	t.Helper()
	h := &handmadeGroup{t: t}
	h.tr = groupTracer(t, &h.k, &h.log)
	return h
}

// member begins the stop of a member in a goroutine of its own.
func (h *handmadeGroup) member(
	name, kind string, after []string, stop func(*Member),
) (stopped chan struct{}) {
	stopped = make(chan struct{})
	info := MemberReport{Name: name, Kind: kind, After: after, BudgetLeft: Duration(h.budget - h.now())}
	m := h.Begin(info)
	h.stopping.Go(func() {
		defer close(stopped)
		stop(m)
	})
	return stopped
}

// server is a grpc server's stop: its RPC ends after some time, and a forced stop
// cuts it if it is to be forced.
func (h *handmadeGroup) server(name string, holds time.Duration, forced bool) (stopped chan struct{}) {
	tr := h.tr.ForServer()
	p := serving(tr)
	return h.member(name, memberGRPC, nil, func(m *Member) {
		s, _ := tr.BeginShutdown(Call{Graceful: true, GRPCVersion: "1.85.0", Member: m})
		p.closeListener()
		time.Sleep(500 * ms) // of the bubble's
		p.silent.Closed()
		p.silent.HandshakeEnd()
		time.Sleep(holds - 500*ms)
		if forced {
			s.Forced()
		}
		tr.Table().End(p.rpc)
		p.conn.Closed()
		s.Returned()
		s.Finish(context.Background())
		m.End(nil, forced)
	})
}

// http is an HTTP server's stop, which is forced at 2.5 s.
func (h *handmadeGroup) http(name string) {
	h.member(name, memberHTTP, nil, func(m *Member) {
		waited := m.Phase(PhaseConnWait, answering())
		time.Sleep(2500 * ms)
		waited()
		cut := m.Phase(PhaseForcedStop, nil)
		time.Sleep(10 * ms)
		cut()
		m.Connections(3, 1, 1, 2)
		m.End(errors.New("1 request was cut"), true)
	})
}

// answering is a connection that holds an HTTP server from now on, for 2.5 s.
func answering() func() []Holder {
	start := time.Now()
	return func() []Holder {
		held := time.Since(start)
		return []Holder{{
			Kind: HolderConnection, State: "active", Peer: "10.0.0.9:4711", Held: Duration(held),
			Age: Duration(1500*ms + held), Detail: "a request is being answered", Open: held < 2500*ms,
		}}
	}
}

// closes is something to close that takes its time.
func (h *handmadeGroup) closes(name string, takes time.Duration, err error, after ...string) {
	h.member(name, memberClose, after, func(m *Member) {
		time.Sleep(takes)
		m.End(err, false)
	})
}

// begin stops everything that a process may have: a database fails when both grpc
// servers have stopped, at 8 s.
func (h *handmadeGroup) begin() {
	h.Group = h.tr.BeginGroup(10 * sec)
	h.Because("of SIGTERM")
	api := h.server("api", 5*sec+200*ms, false)
	admin := h.server("admin", 8*sec, true)
	h.http("metrics")
	h.stopping.Go(func() {
		<-api
		<-admin
		h.closes("database", 1200*ms, errors.New("disk full"), "api", "admin")
	})
}

// finish is the group's report and its spans.
func (h *handmadeGroup) finish() (*Report, []sdktrace.ReadOnlySpan) {
	h.stopping.Wait()
	r := h.Finish(context.Background())
	h.tr.Close()
	return r, h.k.spans
}

// killed are the spans of a group that is killed after some time.
func (h *handmadeGroup) killed(after time.Duration) []sdktrace.ReadOnlySpan {
	time.Sleep(after)
	synctest.Wait()
	h.session.Flush(context.Background())
	h.k.mu.Lock()
	spans := slices.Clone(h.k.spans)
	h.k.mu.Unlock()
	h.finish()
	return spans
}
