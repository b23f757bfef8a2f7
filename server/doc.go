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
// # Guarantees
//
//   - GracefulStop and Stop do what grpc's do, and then flush the trace, for
//     at most 2 s.
//   - Shutdown returns by its deadline, and the flush ends by it too.
//   - Second and concurrent stops join the first.
//   - Run never calls os.Exit unless a second signal arrives.
//
// # Limitations
//
//   - grpc's ServeHTTP transports are not watched.
package server
