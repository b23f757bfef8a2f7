// SPDX-License-Identifier: Apache-2.0

package h2

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
)

type counter struct{ frames int }

func (c *counter) Frame(*Frame) { c.frames++ }

// unary is what a server writes for one small RPC: HEADERS, DATA, HEADERS.
func unary(tb testing.TB) []byte {
	tb.Helper()
	var w bytes.Buffer
	f := http2.NewFramer(&w, nil)
	for _, err := range []error{
		f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: make([]byte, 14), EndHeaders: true,
		}),
		f.WriteData(1, false, make([]byte, 105)),
		f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: 1, BlockFragment: make([]byte, 24), EndHeaders: true, EndStream: true,
		}),
	} {
		if err != nil {
			tb.Fatal(err)
		}
	}
	return w.Bytes()
}

func writeScanner(v Visitor) *Scanner {
	s := new(Scanner)
	s.InitWrite()
	s.Scan([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, v)
	return s
}

func BenchmarkScanUnary(b *testing.B) {
	v := new(counter)
	s, p := writeScanner(v), unary(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		s.Scan(p, v)
	}
}

// BenchmarkScanPayload is the fast path: pieces of a payload that never ends.
func BenchmarkScanPayload(b *testing.B) {
	v := new(counter)
	s, p := writeScanner(v), make([]byte, 32<<10)
	b.ReportAllocs()
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		s.left, s.step, s.frame.Length = 1<<24-1, stepPayload, 1<<24-1
		s.Scan(p, v)
	}
}

func BenchmarkScanOther(b *testing.B) {
	v := new(counter)
	var s Scanner
	s.InitRead()
	p := []byte("\x16\x03\x01\x02\x00")
	b.ReportAllocs()
	for b.Loop() {
		s.Scan(p, v)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	v := new(counter)
	s, p := writeScanner(v), unary(t)
	if n := testing.AllocsPerRun(1000, func() { s.Scan(p, v) }); n != 0 {
		t.Errorf("%v allocations for the frames of one RPC, want 0", n)
	}
	if v.frames == 0 {
		t.Error("no frame was reported")
	}
}
