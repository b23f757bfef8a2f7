// SPDX-License-Identifier: Apache-2.0

// Package tracertest holds a server to a shutdown budget in its own tests: it
// runs a stop, and if that was too slow or cut somebody, the test fails with the
// verdict and the timeline.
//
// # Usage
//
//	func TestStopsInTime(t *testing.T) {
//		kit := tracertest.New(t)
//		srv := server.New(kit.Tracer())
//		pb.RegisterGreeterServer(srv, &greeter{})
//		go srv.Serve(lis)
//		// … clients as they are in production …
//		kit.Shutdown(srv, tracertest.Within(5*time.Second),
//			tracertest.PhaseWithin(tracer.PhaseHandshakeWait, time.Second),
//			tracertest.Graceful())
//	}
//
// Most budgets are seconds. Inside a testing/synctest bubble they cost nothing
// and are met to the nanosecond; what a bubble cannot wait for is the network,
// so client and server meet in memory:
//
//	synctest.Test(t, func(t *testing.T) {
//		kit := tracertest.New(t) // inside, so that it is over with the bubble
//		lis := bufconn.Listen(1 << 20) // google.golang.org/grpc/test/bufconn
//		go srv.Serve(lis)
//		conn, err := grpc.NewClient("passthrough:///test",
//			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
//				return lis.DialContext(ctx)
//			}), grpc.WithTransportCredentials(insecure.NewCredentials()))
//		// … calls …
//		synctest.Wait() // until they are where they are to be
//		kit.Shutdown(srv, tracertest.Within(5*time.Second))
//	})
//
// The module's examples/budget is such a test. Over TCP the same works outside
// of a bubble, in real time: leave room for a busy machine.
//
// # Guarantees
//
//   - Nothing is exported and no environment variable is read, unless an
//     option of [New] brings an exporter.
//   - When the test is over no goroutine of the kit is left.
//   - A stop that hangs ends the test a minute past its budget, with what it
//     hangs at.
//   - With go test -artifacts (Go 1.26) a failure leaves the report as a page
//     and as JSON.
//
// # Limitations
//
//   - A budget is of the stop itself, from the call until grpc's own returned.
//     What the application does before and after is not in it.
//   - server.New reads GRACETRACE_GRACE_PERIOD, here as elsewhere: give it a
//     server.GracePeriod.
//   - A stop that hangs runs on when the test has failed: nothing can end it.
package tracertest
