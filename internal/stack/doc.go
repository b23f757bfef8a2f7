// SPDX-License-Identifier: Apache-2.0

// Package stack reads what a dump of all goroutines tells about a grpc server
// that stops: where each RPC's handler is, which of the user's own code grpc
// waits for, and where its stop is.
//
// A handler is matched to its RPC exactly: each runs below a frame of package
// interceptors whose first argument is the RPC's entry, and a dump shows the
// words of the arguments. Nothing is done per RPC for that.
//
// A dump is text that no document describes. What is not understood is left out,
// never guessed.
package stack
