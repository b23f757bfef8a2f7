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

// tableOf fills a table as the sensors do: n connections, each with some
// streams. drain is what happens to them until conn wait begins.
func tableOf(t *Tracer, n, streams int) (drain func()) {
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
		conns = append(conns, c)
		for j := range streams {
			c.StreamOpened(uint32(2*j+1), false)
			ctx := context.WithValue(context.Background(), key{}, i*streams+j)
			callers[ctx] = watch.Caller{Addr: addr, UserAgent: "grpc-go/1.85.0"}
			table.BeginStream(ctx, chat, &watch.RPC{}, &watch.Messages{})
		}
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
	for _, size := range []struct{ conns, streams int }{
		{100, 1}, {2000, 1}, {10_000, 1}, {10_000, 10},
	} {
		b.Run(fmt.Sprintf("conns=%d/streams=%d", size.conns, size.streams), func(b *testing.B) {
			tr, err := New(b.Context(), WithExporter((&sink{}).factory),
				WithLogger(slog.New(slog.DiscardHandler)))
			if err != nil {
				b.Fatal(err)
			}
			defer tr.Close()
			drain := tableOf(tr, size.conns, size.streams)
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
