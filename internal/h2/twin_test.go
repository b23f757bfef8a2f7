// SPDX-License-Identifier: Apache-2.0

package h2

import (
	"encoding/binary"
	"strings"
)

// frames collects what a Scanner reports.
type frames []Frame

func (fs *frames) Frame(f *Frame) { *fs = append(*fs, *f) }

// scanChunks scans b in pieces whose sizes are taken from sizes in turn; a
// size of 0 stands for an empty piece, and what sizes leave over is one piece.
func scanChunks(init func(*Scanner), b []byte, sizes ...byte) ([]Frame, State) {
	var s Scanner
	var got frames
	init(&s)
	for _, size := range sizes {
		n := min(int(size), len(b))
		s.Scan(b[:n], &got)
		b = b[n:]
	}
	s.Scan(b, &got)
	return got, s.State()
}

// parseRead and parseWrite are the dumb twins of the Scanner: they have the
// whole of the bytes and look at them from the beginning.
func parseRead(b []byte) ([]Frame, State) {
	s := string(b)
	if strings.HasPrefix(s, clientPreface) {
		return parseFrames(b[len(clientPreface):]), StateHTTP2
	}
	if strings.HasPrefix(clientPreface, s) {
		return nil, StateUndecided
	}
	return nil, StateOther
}

func parseWrite(b []byte) ([]Frame, State) {
	if len(b) < 9 {
		return nil, StateUndecided
	}
	length := binary.BigEndian.Uint32(b) >> 8
	stream := binary.BigEndian.Uint32(b[5:]) << 1
	if b[3] != 4 || b[4]&1 != 0 || stream != 0 || length%6 != 0 || length > 16384 {
		return nil, StateOther
	}
	return parseFrames(b), StateHTTP2
}

func parseFrames(b []byte) []Frame {
	var got []Frame
	for len(b) >= 9 {
		f := Frame{
			Length: binary.BigEndian.Uint32(b) >> 8,
			Type:   FrameType(b[3]),
			Flags:  b[4],
			Stream: binary.BigEndian.Uint32(b[5:]) << 1 >> 1,
		}
		b = b[9:]
		if len(b) < int(f.Length) {
			break
		}
		switch f.Type {
		case FrameRSTStream, FramePing, FrameGoAway:
			copy(f.Data[:], b[:f.Length])
		}
		if f.Type == FrameGoAway && f.Length > 8 {
			copy(f.Debug[:], b[8:f.Length])
		}
		got = append(got, f)
		b = b[f.Length:]
	}
	return got
}
