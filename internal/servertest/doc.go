// SPDX-License-Identifier: Apache-2.0

// Package servertest provides the clients that keep a gRPC server from
// stopping, each the smallest program that does one thing wrong, and a
// listener in memory to meet them at. The tests, the demo and its load use
// them.
//
//	Silent       connects and says nothing
//	HalfTLS      begins a TLS handshake and stops
//	NoPreface    completes a TLS handshake and says nothing
//	HalfPreface  begins the HTTP/2 preface and stops
//	Mute         never acknowledges a PING
//	Linger       never closes a connection that is to be closed
//	Frozen       stops reading from its socket
//	SlowReader   lets the flow-control window of its stream run out
//	NoMessage    opens an RPC and never sends the message
//	Vanisher     resets the connection in the middle of an RPC
//
// The first four are a [Socket], the rest a [Client], which speaks HTTP/2 by a
// [Policy] that says what it leaves out. All of them are a [Peer].
//
// # Guarantees
//
//   - A peer has no timers and does not retry: what happens is up to the
//     server. All of them work inside testing/synctest over [Listen].
//   - Ready says when a peer is in the state it is named after.
//   - Close ends every goroutine a peer has started.
package servertest

import "net"

// Peer is one client connection that stays as it is until it is closed.
type Peer interface {
	// Ready is closed when the peer has reached the state it is named after,
	// and never if its connection ends before.
	Ready() <-chan struct{}

	// Done is closed when the connection has ended, whoever ended it. A peer
	// that does not read learns of it only from its own Close.
	Done() <-chan struct{}

	// LocalAddr is the address by which the server knows the peer.
	LocalAddr() net.Addr

	// Close closes the connection and waits for the peer's goroutines. Calls
	// after the first return the same result.
	Close() error
}
