// SPDX-License-Identifier: Apache-2.0

// Package interceptors has the sensors: what watches a grpc server's
// listeners, connections and RPCs so that package tracer can tell, when the
// server stops, what it waits for.
//
// # Usage
//
// [github.com/gracetrace/gracetrace/server.New] installs all of them. Use this
// package where the application builds its own *grpc.Server:
//
//	lis = interceptors.Listener(t, lis)
//	creds = interceptors.Credentials(t, creds)
//	opts := append(interceptors.ServerOptions(t), grpc.Creds(creds))
//	s := server.Wrap(grpc.NewServer(opts...), t)
//
// # Guarantees
//
//   - An RPC's result, metadata, deadline and cancellation are the same with
//     and without the sensors.
//   - A unary RPC allocates nothing more, and takes no lock that all share.
//   - A connection keeps what grpc-go looks for in it: syscall.Conn, pooled
//     reads, TCP_USER_TIMEOUT, and the types of its addresses.
//   - A sensor never blocks and never panics.
//
// # Limitations
//
//   - Under TLS that is not wrapped by [Credentials] the frames are not seen:
//     no GOAWAY, no stream ids. Everything else works and the report says so.
//   - Which connection an RPC is on is found by the identity of its peer
//     address. Where something replaces it (a tap handle, an outer
//     interceptor, net/http) the connection is unknown.
//   - Credentials that look at a connection's type must be watched by
//     [Credentials], which gives them the connection they know. TLS callbacks
//     find it by NetConn.
//   - A handler gets a stream of ours around the one that outer interceptors
//     made: what a type assertion found there is not found any more.
//   - [Listener]'s result must be the value that is given to Serve. Do not wrap
//     the root of a multiplexer such as cmux, which grpc never closes: wrap the
//     listener that it gives to grpc.
package interceptors
