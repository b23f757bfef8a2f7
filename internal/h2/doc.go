// SPDX-License-Identifier: Apache-2.0

// Package h2 watches one direction of an HTTP/2 connection (RFC 9113) without
// taking part in it.
//
// A [Scanner] is given the bytes that were transferred, in the pieces in which
// they were transferred, and reports each frame to a [Visitor] when the last
// byte of it has passed: for a frame the server wrote, when it has left. It
// skips through payloads and keeps eight bytes of those that tell a graceful
// shutdown from the outside: GOAWAY, PING and RST_STREAM.
//
// # Guarantees
//
//   - What is reported does not depend on how the bytes were cut into pieces.
//   - Scanning allocates nothing, takes no lock and never looks at more than
//     the first eight payload bytes of a frame.
//   - No input makes it panic. Bytes that are not HTTP/2, such as TLS
//     ciphertext, are recognised from their beginning and cost nothing more.
//
// # Limitations
//
// Header blocks are not decoded and frames are not validated: a peer that
// breaks the protocol is for the two ends to deal with.
package h2
