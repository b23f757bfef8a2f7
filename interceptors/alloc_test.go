// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// allocations returns what one call of each f allocates, client, transport and
// all: the least of several rounds, in which they take turns, so that noise of
// the runtime does not count.
func allocations(fs ...func()) []float64 {
	const rounds, calls = 10, 200
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties pools
	least := make([]float64, len(fs))
	for round := range rounds + 1 {
		for i, f := range fs {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range calls {
				f()
			}
			runtime.ReadMemStats(&after)
			n := float64(after.Mallocs-before.Mallocs) / calls
			if round <= 1 || n < least[i] { // the first round warms up
				least[i] = n
			}
		}
	}
	return least
}

// wantNoMore fails if traced allocates more than base in one call.
func wantNoMore(t *testing.T, what string, base, traced float64) {
	t.Helper()
	t.Logf("%s: %.2f allocations, traced %.2f", what, base, traced)
	limit := 0.3 // noise
	if raceEnabled {
		limit = 0.7
	}
	if traced-base > limit {
		t.Errorf("%s allocates %.2f times, traced %.2f times: want no more", what, base, traced)
	}
}

// unaryCaller serves in memory and returns a function that makes one unary RPC.
func unaryCaller(t *testing.T, tr *tracer.Tracer, opts ...grpc.ServerOption) func() {
	t.Helper()
	c := memoryClient(t, tr, opts...)
	req := &greeterv1.SayHelloRequest{}
	return func() {
		if _, err := c.SayHello(context.Background(), req); err != nil {
			t.Error(err)
		}
	}
}

func memoryClient(t *testing.T, tr *tracer.Tracer, opts ...grpc.ServerOption) greeterv1.GreeterClient {
	t.Helper()
	lis := servertest.Listen()
	serve(t, tr, lis, opts...)
	cc, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return greeterv1.NewGreeterClient(cc)
}

// seesBeforeDecoding reports whether grpc calls a method's descriptor before it
// decodes the message (fact 50): then the sensor needs no interceptor.
func seesBeforeDecoding() bool {
	var major, minor int
	_, err := fmt.Sscanf(grpc.Version, "%d.%d.", &major, &minor)
	return err == nil && (major > 1 || minor >= 84)
}

// TestUnaryAllocations guards the budget of a unary RPC: no allocation more
// than bare; before grpc-go 1.84 no more than any interceptor.
func TestUnaryAllocations(t *testing.T) {
	empty := grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo,
		h grpc.UnaryHandler,
	) (any, error) {
		return h(ctx, req)
	})
	got := allocations(unaryCaller(t, nil), unaryCaller(t, nil, empty), unaryCaller(t, newTracer(t)))
	base, what := got[0], "a unary RPC"
	if !seesBeforeDecoding() {
		base, what = got[1], "a unary RPC through an empty interceptor"
	}
	wantNoMore(t, what, base, got[2])
}

// TestStreamMessageAllocations guards that of a message there and back.
func TestStreamMessageAllocations(t *testing.T) {
	chat := func(tr *tracer.Tracer) func() {
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(cancel)
		s, err := memoryClient(t, tr).Chat(ctx)
		if err != nil {
			t.Fatal(err)
		}
		req := &greeterv1.ChatRequest{}
		return func() {
			if err := s.Send(req); err != nil {
				t.Error(err)
			}
			if _, err := s.Recv(); err != nil {
				t.Error(err)
			}
		}
	}
	got := allocations(chat(nil), chat(newTracer(t)))
	wantNoMore(t, "a message and its answer", got[0], got[1])
}
