// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"sync"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// stopWhile stops the server one second into RPCs that say text, and records
// when the stop returned.
func stopWhile(text string, stop func(server.GRPC),
) func(context.Context, *record, greeterv1.GreeterClient) {
	return func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		wait := r.together(func(r *record) { r.unary(ctx, c, text) },
			func(r *record) { r.chat(ctx, c, text) })
		<-time.After(time.Second) // of the bubble's
		stop(r.srv)
		r.addf("stop", "returned")
		wait()
		synctest.Wait()
		r.addf("client", "after the stop")
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		r.unary(ctx, c, "hello", grpc.WaitForReady(true))
	}
}

// endCases are about how a server ends.
var endCases = []sameCase{
	{name: "GracefulStop", do: stopWhile("work 3s", server.GRPC.GracefulStop)},
	{name: "GracefulStop, NumStreamWorkers", server: options(grpc.NumStreamWorkers(1)),
		do: stopWhile("work 3s", server.GRPC.GracefulStop)},
	{name: "Stop", do: stopWhile("wait", server.GRPC.Stop)},
	{name: "Stop, handlers ignore it", do: stopWhile("work 3s", server.GRPC.Stop)},
	{name: "Stop, WaitForHandlers", server: options(grpc.WaitForHandlers(true)),
		do: stopWhile("work 3s", server.GRPC.Stop)},
	{name: "stopped twice", do: stopWhile("work 3s", func(s server.GRPC) {
		s.GracefulStop()
		s.GracefulStop()
		s.Stop()
	})},
	{name: "stopped from two sides", do: stopWhile("wait", func(s server.GRPC) {
		var wg sync.WaitGroup
		wg.Go(s.GracefulStop)
		<-time.After(2 * time.Second) // of the bubble's
		wg.Go(s.Stop)
		wg.Wait()
		// Up to 1.84 GracefulStop keeps the server's lock while handlers run, and
		// a goroutine that waits for a mutex stops the bubble's clock.
	}), since: 85},
}
