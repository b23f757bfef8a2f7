// SPDX-License-Identifier: Apache-2.0

package h2

// State says whether a direction carries HTTP/2.
type State uint8

const (
	// StateUndecided is where a Scanner starts. It leaves the state when the
	// connection preface of its direction has been seen whole, or when a byte
	// has been seen that contradicts it.
	StateUndecided State = iota
	// StateHTTP2 is entered after the preface and never left.
	StateHTTP2
	// StateOther is entered when the bytes cannot be HTTP/2 (TLS ciphertext,
	// HTTP/1.1) and never left.
	StateOther
)

// String returns "undecided", "http2" or "other".
func (s State) String() string {
	switch s {
	case StateUndecided:
		return "undecided"
	case StateHTTP2:
		return "http2"
	default:
		return "other"
	}
}

// clientPreface is what every client sends first (RFC 9113, section 3.4).
const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

const (
	settingLength = 6       // of one entry of SETTINGS: RFC 9113, section 6.5.1
	minFrameLimit = 1 << 14 // no endpoint may send more unasked: section 4.2
)

// isServerPreface reports whether f may be the first frame of a server, "a
// potentially empty SETTINGS frame" (RFC 9113, section 3.4). Ciphertext cannot
// pass for one: a TLS record starts with its type, 20 to 23, where a frame of
// at most 2^14 bytes has a zero.
func isServerPreface(f *Frame) bool {
	return f.Type == FrameSettings && f.Stream == 0 && !f.Ack() &&
		f.Length <= minFrameLimit && f.Length%settingLength == 0
}
