// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/mem"

	"github.com/gracetrace/gracetrace/interceptors"
)

// loop is a connection that reads the same bytes again and again.
type loop struct {
	net.Conn
	preface io.Reader
	bytes   []byte
}

func (l *loop) Read(p []byte) (int, error) {
	if n, _ := l.preface.Read(p); n > 0 {
		return n, nil
	}
	return copy(p, l.bytes), nil
}

func (*loop) Write(p []byte) (int, error) { return len(p), nil }
func (*loop) Close() error                { return nil }
func (*loop) RemoteAddr() net.Addr        { return &net.TCPAddr{} }

// single accepts one connection.
type single struct {
	net.Listener
	conn net.Conn
}

func (s *single) Accept() (net.Conn, error) { return s.conn, nil }
func (*single) Addr() net.Addr              { return &net.TCPAddr{} }

// TestConnAllocations: a Read and a Write of a wrapped connection allocate
// nothing, whatever frames they carry.
func TestConnAllocations(t *testing.T) {
	var frames writer
	f := http2.NewFramer(&frames, nil)
	const flags = http2.FlagHeadersEndHeaders | http2.FlagHeadersEndStream
	_ = f.WriteRawFrame(http2.FrameHeaders, flags, 1, make([]byte, 30))
	_ = f.WriteData(1, false, make([]byte, 100))
	_ = f.WritePing(false, [8]byte{1})
	_ = f.WriteData(1, true, nil)
	inner := &loop{preface: &preface{}, bytes: frames}
	c, err := interceptors.Listener(newTracer(t), &single{conn: inner}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for what, do := range map[string]func(){
		"Read":  func() { _, _ = c.Read(buf) },
		"Write": func() { _, _ = c.Write(frames) },
	} {
		do()
		if n := testing.AllocsPerRun(1000, do); n != 0 {
			t.Errorf("%s allocates %v times", what, n)
		}
	}
}

type writer []byte

func (w *writer) Write(p []byte) (int, error) {
	*w = append(*w, p...)
	return len(p), nil
}

type preface struct{ done bool }

func (r *preface) Read(p []byte) (int, error) {
	if r.done {
		return 0, io.EOF
	}
	r.done = true
	return copy(p, http2.ClientPreface), nil
}

// onePool hands out one buffer.
type onePool struct{ buf []byte }

func (p *onePool) Get(int) *[]byte { return &p.buf }
func (*onePool) Put(*[]byte)       {}

var _ mem.BufferPool = &onePool{}
