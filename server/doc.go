// SPDX-License-Identifier: Apache-2.0

// Package server runs a grpc server and traces how it stops.
//
// # Usage
//
//	t, err := tracer.New(ctx)
//	srv := server.New(t)
//	pb.RegisterGreeterServer(srv, &greeter{})
//	lis, err := net.Listen("tcp", ":50051")
//	err = srv.Run(ctx, lis) // until SIGTERM: drain, report, flush
//
// A program that drives its own *grpc.Server gives it to [Wrap] and calls the
// result's Serve, GracefulStop and Stop instead.
//
// A process of several servers, and of what is to be closed after them, is a
// [Group].
//
// # Handlers and the drain
//
// GracefulStop tells no handler. [Server.Draining] does, [CancelStreams] cancels
// the contexts of streams, [EndRecv] ends a Recv that waits, and [Health] ends the
// Watch streams of health checks. What each of them ends and what not is a table
// in docs/handlers.md, and a test.
//
// # Guarantees
//
//   - GracefulStop and Stop do what grpc's do, and then flush the trace, for
//     at most 2 s.
//
//   - Shutdown returns by its deadline, at most 50 ms late, whatever handlers,
//     interceptors, listeners, connections, credentials, a tap handle, a stats
//     handler, a logger, an exporter or the report's receiver do.
//
//   - Shutdown closes connections that do not finish their handshake, so that all
//     others are told to go in time. GracefulStop and Stop do not, as grpc's.
//
//   - A [Group] starts all of its members or none, and stops them within one grace
//     period, at most 200 ms late, whatever a member does.
//
//   - Second and concurrent stops join the first. A Shutdown that joins a
//     GracefulStop or a Stop gives it its own deadline.
//
//   - Nothing here calls os.Exit but a second signal to Run: what holds is
//     reported, for at most 2 s, before it does.
//
//   - Without the options above an RPC's result, context and messages are those of
//     grpc.
//
// # Limitations
//
//   - Credentials that look at the connection's type, as those for Unix
//     sockets do, must go through interceptors.Credentials, or their handshakes
//     fail: they would find our wrapper.
//   - RPCs that come through the ServeHTTP of the grpc server itself are not
//     waited for, and cut by GracefulStop since grpc-go 1.82; the report says so.
//     Those of [Server.ServeHTTP] are. Either way their connections are the
//     http.Server's and not watched.
//   - A Stop on top of a GracefulStop does not wait for handlers, not even with
//     grpc.WaitForHandlers: it gives them 100 ms.
package server
