// SPDX-License-Identifier: Apache-2.0

package h2

import "encoding/binary"

// Visitor is told what a [Scanner] sees.
type Visitor interface {
	// Frame is called when the last byte of a frame has been scanned. It must
	// not keep f, which the scanner uses again.
	Frame(f *Frame)
}

// headerLength is the size of a frame header (RFC 9113, section 4.1).
const headerLength = 9

// step is the part of the byte stream that a Scanner expects next.
type step uint8

const (
	stepNone    step = iota // not initialised: bytes are ignored
	stepPreface             // the rest of clientPreface
	stepHeader              // the rest of a frame header
	stepPayload             // the rest of a payload, at least one byte
)

// Scanner follows the frames of one direction of a connection. It is a value,
// to be embedded, and is made ready by InitRead or InitWrite; before that it
// ignores what it is given. It is for one goroutine at a time, or for a caller
// that orders them as the reads or writes of a connection are ordered.
type Scanner struct {
	frame  Frame
	left   uint32 // payload bytes of frame still to come, in stepPayload
	header [headerLength]byte
	seen   uint8 // bytes of the preface or of header that have passed
	step   step
	state  State
}

// InitRead makes s ready for the bytes a server reads: the client's connection
// preface, then frames.
func (s *Scanner) InitRead() { *s = Scanner{step: stepPreface} }

// InitWrite makes s ready for the bytes a server writes: frames, of which the
// first is SETTINGS.
func (s *Scanner) InitWrite() { *s = Scanner{step: stepHeader} }

// State returns what the bytes seen so far say about the direction.
func (s *Scanner) State() State { return s.state }

// Scan takes the next bytes that were transferred and calls v for each frame
// that ends in them. Calls must be in the order of the transfer and leave
// nothing out; bytes that a short Write did not write do not count.
func (s *Scanner) Scan(p []byte, v Visitor) {
	if s.state != StateOther { // small enough to be inlined
		s.scan(p, v)
	}
}

func (s *Scanner) scan(p []byte, v Visitor) {
	for len(p) > 0 && s.state != StateOther {
		switch s.step {
		case stepPreface:
			p = s.scanPreface(p)
		case stepHeader:
			p = s.scanHeader(p, v)
		case stepPayload:
			p = s.scanPayload(p, v)
		default:
			return
		}
	}
}

func (s *Scanner) scanPreface(p []byte) (rest []byte) {
	want := clientPreface[s.seen:]
	n := min(len(want), len(p))
	if string(p[:n]) != want[:n] {
		s.state = StateOther
		return nil
	}
	s.seen += uint8(n)
	if s.seen == uint8(len(clientPreface)) {
		s.state = StateHTTP2
		s.step, s.seen = stepHeader, 0
	}
	return p[n:]
}

func (s *Scanner) scanHeader(p []byte, v Visitor) (rest []byte) {
	n := copy(s.header[s.seen:], p)
	s.seen += uint8(n)
	if s.seen < headerLength {
		return p[n:]
	}
	s.seen = 0
	s.frame = parseHeader(&s.header)
	if s.state == StateUndecided {
		if !isServerPreface(&s.frame) {
			s.state = StateOther
			return nil
		}
		s.state = StateHTTP2
	}
	s.left = s.frame.Length
	if s.left == 0 {
		v.Frame(&s.frame)
	} else {
		s.step = stepPayload
	}
	return p[n:]
}

func (s *Scanner) scanPayload(p []byte, v Visitor) (rest []byte) {
	n := uint32(min(uint64(s.left), uint64(len(p))))
	if keepsData(s.frame.Type) {
		s.keep(s.frame.Length-s.left, p[:n])
	}
	s.left -= n
	if s.left == 0 {
		s.step = stepHeader
		v.Frame(&s.frame)
	}
	return p[n:]
}

// keep copies what [Frame] has of a payload; p is what begins at offset.
func (s *Scanner) keep(offset uint32, p []byte) {
	const data = uint32(len(s.frame.Data))
	if offset < data {
		n := copy(s.frame.Data[offset:], p)
		offset, p = offset+uint32(n), p[n:]
	}
	if s.frame.Type == FrameGoAway && offset >= data && offset-data < uint32(len(s.frame.Debug)) {
		copy(s.frame.Debug[offset-data:], p)
	}
}

func parseHeader(h *[headerLength]byte) Frame {
	return Frame{
		Length: uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2]),
		Type:   FrameType(h[3]),
		Flags:  h[4],
		Stream: binary.BigEndian.Uint32(h[5:]) & streamMask,
	}
}
