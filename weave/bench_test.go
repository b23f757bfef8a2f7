// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/internal/woven"
	"github.com/gracetrace/gracetrace/tracer"
)

// BenchmarkSink is a point's Begin and End in the sink itself.
func BenchmarkSink(b *testing.B) {
	k := newSink(expected)
	k.base = sync.OnceValue(func() *tracer.Tracer { return new(tracer.Tracer) })
	s, transport := grpc.NewServer(), new(int)
	k.keep(s, k.newEntry(nil))
	k.conns.served.Store(transport, watch.NewServer().AddListener(&net.TCPAddr{}, "").Accepted(nil, nil))
	for _, bm := range []struct {
		name, point string
		recv        any
	}{
		{"transport", pointGoAwayOut, transport},
		{"transport of ServeHTTP", pointGoAwayOut, new(int)},
		{"server", pointInfo, s},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k.Begin(bm.point, bm.recv, nil)
				k.End(bm.point, bm.recv, nil)
			}
		})
	}
}

// stamped notes when grpc's own source begins and ends a handshake.
type stamped struct {
	*sink
	mu    sync.Mutex // guards following
	table *watch.Server
	at    map[net.Addr][2]watch.Instant
}

func (k *stamped) Begin(point string, recv, arg any) {
	k.stamp(point, arg, 0)
	k.sink.Begin(point, recv, arg)
}

func (k *stamped) End(point string, recv, arg any) {
	k.sink.End(point, recv, arg)
	k.stamp(point, arg, 1)
}

func (k *stamped) stamp(point string, arg any, i int) {
	if w, ok := arg.(watched); ok && point == pointRawConn {
		now := k.table.Now()
		k.mu.Lock()
		defer k.mu.Unlock()
		at := k.at[w.RemoteAddr()]
		at[i] = now
		k.at[w.RemoteAddr()] = at
	}
}

// BenchmarkHandshakeStamps is by how much the public hooks' times of a handshake
// differ from handleRawConn's own: the reason why those are not fed.
func BenchmarkHandshakeStamps(b *testing.B) {
	if len(woven.Points()) == 0 {
		b.Skip("grpc-go is not instrumented")
	}
	t, err := tracer.New(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	own := t.ForServer()
	k := &stamped{
		sink: newSink(woven.Points()), table: own.Table(), at: make(map[net.Addr][2]watch.Instant),
	}
	k.base = func() *tracer.Tracer { return own }
	woven.Install(k)
	defer woven.Install(newSink(woven.Points()))
	s := grpc.NewServer()
	k.of(s).owner.Store(&owner{t: own})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = s.Serve(lis) }()
	for b.Loop() {
		shakeHands(b, lis.Addr().String())
	}
	k.report(b)
	s.Stop()
}

// shakeHands connects, and returns when the server has answered the preface.
func shakeHands(b *testing.B, addr string) {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	if _, err := c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		b.Fatal(err)
	}
	for buf, n := make([]byte, 64), 0; n <= 9; { // its SETTINGS, and the ACK of ours
		m, err := c.Read(buf)
		if err != nil {
			b.Fatal(err)
		}
		n += m
	}
}

func (k *stamped) report(b *testing.B) {
	b.Helper()
	var begin, end []time.Duration
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.table.Snapshot().Conns {
		if at := k.at[c.Addr]; at[1] != 0 && c.Settled != 0 {
			begin = append(begin, time.Duration(c.Handshake-at[0]))
			end = append(end, time.Duration(at[1]-c.Settled))
		}
	}
	for name, all := range map[string][]time.Duration{"begin": begin, "end": end} {
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2]), name+"-p50-ns")
		b.ReportMetric(float64(all[len(all)*99/100]), name+"-p99-ns")
		b.ReportMetric(float64(all[len(all)-1]), name+"-max-ns")
	}
}
