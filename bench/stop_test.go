// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// BenchmarkGracefulStop is the wall time of a graceful stop with n connections,
// each with one stream, whose handlers return when the stop begins. "call" is
// grpc's own GracefulStop, traced; "traced" is all of it: the report, its spans
// and their flush to an exporter that takes them at once. The clients are a
// process of their own; the cpu metrics are without it.
func BenchmarkGracefulStop(b *testing.B) {
	for _, n := range []int{100, 2000, 10_000} {
		b.Run(fmt.Sprintf("conns=%d", n), func(b *testing.B) {
			for b.Loop() {
				bare, traced := &stops{}, &stops{}
				for round := range rounds + 1 {
					if round == 1 {
						*bare, *traced = stops{}, stops{} // that was to warm up
					}
					bare.add(stopOf(b, newServer(b, "bare"), n))
					t := newTracer(b, tracer.WithReport(func(r *tracer.Report) {
						traced.calls = append(traced.calls, time.Duration(r.Duration))
					}))
					traced.add(stopOf(b, server.New(t), n))
				}
				report(b, "", median(bare.took), median(traced.took))
				report(b, "cpu-", median(bare.spent), median(traced.spent))
				report(b, "call-", median(bare.took), median(traced.calls))
			}
		})
	}
}

// stops are those of one kind of server.
type stops struct {
	took, spent []time.Duration // by the clock, of the processors
	calls       []time.Duration // grpc's own part
}

func (s *stops) add(took, spent time.Duration) {
	s.took, s.spent = append(s.took, took), append(s.spent, spent)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return (d[(len(d)-1)/2] + d[len(d)/2]) / 2
}

func stopOf(b *testing.B, srv server.GRPC, n int) (took, spent time.Duration) {
	b.Helper()
	h := &held{begun: make(chan struct{}), release: make(chan struct{})}
	greeterv1.RegisterGreeterServer(srv, h)
	leave := startCrowd(b, serveOn(b, srv), n, 1)
	defer leave()
	for range n {
		<-h.begun
	}
	runtime.GC() // what came before is nobody's
	before := processorTime()
	took = timed(func() {
		close(h.release)
		srv.GracefulStop()
	})
	return took, processorTime() - before
}
