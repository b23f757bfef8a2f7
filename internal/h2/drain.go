// SPDX-License-Identifier: Apache-2.0

package h2

// A graceful drain on the wire, as grpc-go's http2Server does it: a first
// GOAWAY for the highest possible stream, at once a PING, and when that has
// been acknowledged, or 5 s have passed, a final GOAWAY with the last stream
// the server took. Until then new streams are served.

// MaxStream is the highest stream identifier there can be. As the last stream
// of a GOAWAY it refuses nothing.
const MaxStream = 1<<31 - 1

// drainPing is goAwayPing in grpc-go, internal/transport/http2_server.go.
var drainPing = [8]byte{1, 6, 1, 8, 0, 3, 3, 9}

// IsFirstGoAway reports whether the frame is the one that announces a graceful
// shutdown: last stream 2^31-1 and NO_ERROR (RFC 9113, section 6.8).
func (f *Frame) IsFirstGoAway() bool {
	return f.Type == FrameGoAway && f.LastStream() == MaxStream && f.ErrorCode() == 0
}

// listenerDrain is what grpc-go's xds server says in a GOAWAY: connWrapper.Drain in
// its internal/xds/server. No other drain of grpc-go says the same: graceful_stop,
// max_age, max_idle, or nothing.
var listenerDrain = [8]byte{'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'}

// IsListenerDrain reports whether a GOAWAY is due to a control plane, which has
// changed the connection's listener or taken it away.
func (f *Frame) IsListenerDrain() bool { return f.Type == FrameGoAway && f.Debug == listenerDrain }

// IsDrainPing reports whether the frame is the PING by which grpc-go measures
// the round trip between its two GOAWAYs or, with Ack, the answer to it. Other
// PINGs of grpc-go (keepalive, bandwidth estimation) carry other data.
func (f *Frame) IsDrainPing() bool {
	return f.Type == FramePing && f.Length == 8 && f.Data == drainPing
}
