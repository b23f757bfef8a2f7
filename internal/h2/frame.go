// SPDX-License-Identifier: Apache-2.0

package h2

import (
	"encoding/binary"
	"strconv"
)

// FrameType is the type of a frame. Types that are not listed here occur too:
// an endpoint ignores those it does not know (RFC 9113, section 4.1).
type FrameType uint8

// The frame types of RFC 9113.
const (
	FrameData         FrameType = 0x0 // RFC 9113, section 6.1
	FrameHeaders      FrameType = 0x1 // RFC 9113, section 6.2
	FramePriority     FrameType = 0x2 // RFC 9113, section 6.3
	FrameRSTStream    FrameType = 0x3 // RFC 9113, section 6.4
	FrameSettings     FrameType = 0x4 // RFC 9113, section 6.5
	FramePushPromise  FrameType = 0x5 // RFC 9113, section 6.6
	FramePing         FrameType = 0x6 // RFC 9113, section 6.7
	FrameGoAway       FrameType = 0x7 // RFC 9113, section 6.8
	FrameWindowUpdate FrameType = 0x8 // RFC 9113, section 6.9
	FrameContinuation FrameType = 0x9 // RFC 9113, section 6.10
)

var frameNames = [...]string{
	FrameData:         "DATA",
	FrameHeaders:      "HEADERS",
	FramePriority:     "PRIORITY",
	FrameRSTStream:    "RST_STREAM",
	FrameSettings:     "SETTINGS",
	FramePushPromise:  "PUSH_PROMISE",
	FramePing:         "PING",
	FrameGoAway:       "GOAWAY",
	FrameWindowUpdate: "WINDOW_UPDATE",
	FrameContinuation: "CONTINUATION",
}

// String returns the name the RFC gives the type, or 0x and its number.
func (t FrameType) String() string {
	if int(t) < len(frameNames) {
		return frameNames[t]
	}
	return "0x" + strconv.FormatUint(uint64(t), 16)
}

// Bits of Frame.Flags.
const (
	flagAck       = 0x1 // PING, SETTINGS
	flagEndStream = 0x1 // DATA, HEADERS
)

// streamMask clears the reserved bit in front of a stream identifier, which a
// receiver must ignore (RFC 9113, section 4.1).
const streamMask = 1<<31 - 1

// Frame is what a [Scanner] saw of one frame.
type Frame struct {
	Type   FrameType
	Flags  uint8
	Stream uint32 // without the reserved bit; 0 is the connection itself
	Length uint32 // of the payload, at most 2^24-1

	// Data is the beginning of the payload of RST_STREAM, PING and GOAWAY,
	// padded with zeros, and all zeros for every other type.
	Data [8]byte
	// Debug is the same of a GOAWAY's debug data, which grpc-go says there why it
	// drains a connection.
	Debug [8]byte
}

// Ack reports whether the frame acknowledges a PING or SETTINGS.
func (f *Frame) Ack() bool {
	return (f.Type == FramePing || f.Type == FrameSettings) && f.Flags&flagAck != 0
}

// EndStream reports whether a DATA or HEADERS frame is the last one its sender
// sends on the stream. CONTINUATION frames, which a header block of more than
// 16 KiB needs, may still follow.
func (f *Frame) EndStream() bool {
	return (f.Type == FrameData || f.Type == FrameHeaders) && f.Flags&flagEndStream != 0
}

// LastStream returns the highest stream a GOAWAY says its sender might act on,
// and 0 for other types.
func (f *Frame) LastStream() uint32 {
	if f.Type != FrameGoAway {
		return 0
	}
	return binary.BigEndian.Uint32(f.Data[:4]) & streamMask
}

// ErrorCode returns the error code (RFC 9113, section 7) of a GOAWAY or
// RST_STREAM, and 0, which is NO_ERROR, for other types.
func (f *Frame) ErrorCode() uint32 {
	switch f.Type {
	case FrameGoAway:
		return binary.BigEndian.Uint32(f.Data[4:])
	case FrameRSTStream:
		return binary.BigEndian.Uint32(f.Data[:4])
	default:
		return 0
	}
}

// keepsData reports whether Data is filled for frames of type t.
func keepsData(t FrameType) bool {
	return t == FramePing || t == FrameGoAway || t == FrameRSTStream
}
