// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// held is a service whose handlers wait.
type held struct {
	greeterv1.UnimplementedGreeterServer
	begun, release chan struct{}
}

func (h *held) wait() {
	h.begun <- struct{}{}
	<-h.release
}

func (h *held) SayHello(context.Context, *greeterv1.SayHelloRequest) (*greeterv1.SayHelloResponse, error) {
	h.wait()
	return nil, nil
}

func (h *held) Chat(grpc.BidiStreamingServer[greeterv1.ChatRequest, greeterv1.ChatResponse]) error {
	h.wait()
	return nil
}

// BenchmarkRPCInFlight is the heap that the sensor adds to an RPC whose handler
// runs. grpc's own is several KiB and moves by more than that from run to run,
// so the descriptors' handlers are called without it.
func BenchmarkRPCInFlight(b *testing.B) {
	bare := &greeterv1.Greeter_ServiceDesc
	for _, kind := range []string{"unary", "stream"} {
		b.Run(kind, func(b *testing.B) {
			for b.Loop() {
				inFlight(b, bare, kind) // makes the goroutines that the others use again
				without := inFlight(b, bare, kind)
				with := inFlight(b, interceptors.Describe(newTracer(b), bare, true), kind)
				b.ReportMetric(with-without, "added-B/rpc")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func inFlight(b *testing.B, desc *grpc.ServiceDesc, kind string) float64 {
	b.Helper()
	const n = 20_000
	h := &held{begun: make(chan struct{}), release: make(chan struct{})}
	dec := func(any) error { return nil }
	ended := make(chan struct{})
	before := heap()
	for range n {
		go func() {
			if kind == "unary" {
				_, _ = desc.Methods[0].Handler(h, context.Background(), dec, nil)
			} else {
				_ = chat(desc).Handler(h, endless{})
			}
			ended <- struct{}{}
		}()
		<-h.begun
	}
	used := (heap() - before) / n
	close(h.release)
	for range n {
		<-ended
	}
	return used
}
