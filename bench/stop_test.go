// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// BenchmarkGracefulStop is the wall time of a graceful stop with n connections,
// each with one stream, whose handlers return when the stop begins. "call" is
// grpc's own GracefulStop, traced; "traced" is all of it: the report, its spans
// and their flush to an exporter that takes them at once.
func BenchmarkGracefulStop(b *testing.B) {
	for _, n := range []int{100, 2000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			for b.Loop() {
				var calls []time.Duration
				m := takeTurns(
					func() time.Duration { return stopOf(b, newServer(b, "bare"), n) },
					func() time.Duration {
						t := newTracer(b, tracer.WithReport(func(r *tracer.Report) {
							calls = append(calls, time.Duration(r.Duration))
						}))
						return stopOf(b, server.New(t), n)
					})
				report(b, "", m[0], m[1])
				slices.Sort(calls)
				b.ReportMetric(float64(calls[len(calls)/2]), "call-ns")
				b.ReportMetric(float64(calls[len(calls)/2])/float64(m[0]), "call-ratio")
			}
		})
	}
}

func stopOf(b *testing.B, srv server.GRPC, n int) time.Duration {
	b.Helper()
	h := &held{begun: make(chan struct{}), release: make(chan struct{})}
	greeterv1.RegisterGreeterServer(srv, h)
	address := serveOn(b, srv)
	peers := make([]*servertest.Client, n)
	for i := range peers {
		p, err := servertest.Connect(b.Context(), servertest.DialTCP(address), servertest.Obedient())
		if err != nil {
			b.Fatal(err)
		}
		_, err = p.Open(servertest.Call{Method: greeterv1.Greeter_Chat_FullMethodName, KeepOpen: true})
		if err != nil {
			b.Fatal(err)
		}
		<-h.begun
		peers[i] = p
	}
	took := timed(func() {
		close(h.release)
		srv.GracefulStop()
	})
	for _, p := range peers {
		_ = p.Close()
	}
	return took
}
