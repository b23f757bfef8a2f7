// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// TestFreed: a client that cancels an RPC frees its connection, whether before
// the stop or during it; a deadline that passes does not.
func TestFreed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ctx    func(context.Context) (context.Context, context.CancelFunc)
		cancel time.Duration // since the stop; never: it is not
		freed  time.Duration
	}{
		{"nobody cancels", context.WithCancel, never, never},
		{"cancelled during the stop", context.WithCancel, 2 * sec, 2 * sec},
		{"cancelled before it, who knows when", context.WithCancel, -1, -1},
		{"its deadline passes", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, sec)
		}, never, never},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, _ := newTestTracer(t)
				ctx, cancel := tt.ctx(context.WithoutCancel(t.Context()))
				defer cancel()
				rpc := tr.Table().Begin(ctx, sayHello)
				defer tr.Table().End(rpc)
				if tt.cancel < 0 {
					cancel()
				}
				s, _ := tr.BeginShutdown(Call{Graceful: true})
				synctest.Wait()
				if tt.cancel > 0 && tt.cancel != never {
					time.Sleep(tt.cancel) // of the bubble's
					cancel()
				}
				time.Sleep(3 * time.Second) // of the bubble's
				tl, _ := s.view()
				if got := tl.freed(&tl.rpcs[0]); got != tt.freed {
					t.Errorf("freed at %s, want %s", got, tt.freed)
				}
				s.Returned()
				s.Finish(t.Context())
			})
		})
	}
}

// TestWhoseRPC: an RPC is on the connection whose address it has, the very same
// pointer. An equal address is another connection's, perhaps a proxy's.
func TestWhoseRPC(t *testing.T) {
	addr := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 40001}
	equal := *addr
	for _, tt := range []struct {
		name  string
		peer  net.Addr
		known bool
	}{
		{"the connection's own", addr, true},
		{"an equal one", &equal, false},
		{"one that cannot be told from others", unhashable{addr.String()}, false},
		{"none", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, _ := newTestTracer(t)
			table, calls := tr.Table(), 0
			table.Resolve = func(context.Context) watch.Caller {
				calls++
				return watch.Caller{Addr: tt.peer, UserAgent: "grpc-go/1.85", Span: trace.SpanContext{}}
			}
			lis := table.AddListener(&net.TCPAddr{Port: 50051}, "*net.TCPListener")
			c := lis.Accepted(addr, closer{})
			c.HandshakeBegin(time.Now().Add(time.Minute))
			c.HandshakeEnd()
			rpc := table.Begin(t.Context(), sayHello)
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			for range 3 {
				tl, _ := s.view()
				r := &tl.rpcs[0]
				if known := r.conn == 0; known != tt.known {
					t.Errorf("its connection is known: %t, want %t", known, tt.known)
				}
				if agent := tl.conns[0].agent; (agent != "") != tt.known {
					t.Errorf("the connection's user-agent is %q", agent)
				}
				if tt.peer != nil && r.peer != "10.0.0.1:40001" {
					t.Errorf("the RPC's peer is %q", r.peer)
				}
			}
			if calls != 1 {
				t.Errorf("the RPC's context was read %d times, want once", calls)
			}
			table.End(rpc)
			s.Finish(t.Context())
		})
	}
}

// unhashable is an address that would panic as the key of a map.
type unhashable []string

func (unhashable) Network() string  { return "tcp" }
func (u unhashable) String() string { return u[0] }
