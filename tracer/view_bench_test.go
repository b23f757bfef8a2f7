// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// tableOf fills a table as the sensors do: n connections, each with a
// stream. drain is what happens to them until conn wait begins.
func tableOf(t *Tracer, n int) (drain func()) {
	table := t.Table()
	callers := make(map[context.Context]watch.Caller)
	table.Resolve = func(ctx context.Context) watch.Caller { return callers[ctx] }
	lis := table.AddListener(&net.TCPAddr{IP: net.IPv4(10, 0, 0, 100), Port: 50051}, "*net.TCPListener")
	type key struct{}
	var conns []*watch.Conn
	for i := range n {
		addr := &net.TCPAddr{IP: net.IPv4(10, 0, byte(i>>8), byte(i)), Port: 40000}
		lis.AcceptBegin()
		c := lis.Accepted(addr, closer{})
		c.HandshakeBegin(time.Now().Add(time.Minute))
		c.HandshakeEnd()
		c.FramesSeen()
		c.StreamOpened(1, false)
		conns = append(conns, c)
		ctx := context.WithValue(context.Background(), key{}, i)
		callers[ctx] = watch.Caller{Addr: addr, UserAgent: "grpc-go/1.85.0"}
		table.BeginStream(ctx, chat, &watch.RPC{}, &watch.Messages{})
	}
	return func() {
		lis.CloseBegin()
		lis.AcceptEnd()
		lis.CloseEnd()
		for _, c := range conns {
			c.GoAwaySent(true, 0)
		}
	}
}

// BenchmarkTimeline is what one look costs: the timeline of a shutdown in which
// nothing has ended, the views of its phases, and the report.
func BenchmarkTimeline(b *testing.B) {
	for _, n := range []int{100, 2000, 10_000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			tr, err := New(b.Context(), WithExporter((&sink{}).factory),
				WithLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				b.Fatal(err)
			}
			defer tr.Close()
			drain := tableOf(tr, n)
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			drain()
			tl := s.timeline()
			views := tl.views()
			for name, f := range map[string]func(){
				"snapshot": func() { tr.Table().Snapshot() },
				"timeline": func() { s.timeline() },
				"views":    func() { tl.views() },
				"report":   func() { tl.report(views, s.wall) },
			} {
				b.Run(name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						f()
					}
				})
			}
			s.Finish(b.Context())
		})
	}
}
