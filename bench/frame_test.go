// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"net"
	"testing"

	"github.com/gracetrace/gracetrace/interceptors"
)

// canned is a connection on which every Read brings the same bytes.
type canned struct {
	net.Conn
	bytes []byte
}

func (c *canned) Read(p []byte) (int, error) { return copy(p, c.bytes), nil }
func (*canned) Write(p []byte) (int, error)  { return len(p), nil }
func (*canned) Close() error                 { return nil }
func (*canned) RemoteAddr() net.Addr         { return &net.TCPAddr{} }
func (c *canned) Accept() (net.Conn, error)  { return c, nil }
func (*canned) Addr() net.Addr               { return &net.TCPAddr{} }
func (c *canned) handshake(wrapped net.Conn) {
	frames := c.bytes
	c.bytes = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
	_, _ = wrapped.Read(make([]byte, len(c.bytes)))
	_, _ = wrapped.Write([]byte(settings))
	c.bytes = frames
}

// A unary RPC's frames, with 100 bytes of message each way.
var (
	request  = append(frame(0x1, 0x4, 60), frame(0x0, 0x1, 105)...)
	response = append(append(frame(0x1, 0x4, 20), frame(0x0, 0x0, 105)...), frame(0x1, 0x5, 20)...)
)

func frame(kind, flags byte, length int) []byte {
	head := []byte{0, byte(length >> 8), byte(length), kind, flags, 0, 0, 0, 1}
	return append(head, make([]byte, length)...)
}

// BenchmarkConnRPC is what watching a connection adds to a unary RPC: one Read
// of its request and one Write of its response, with nothing on the other end.
// The stream id rises as a client's does.
func BenchmarkConnRPC(b *testing.B) {
	for _, kind := range []string{"bare", "wrapped"} {
		b.Run(kind, func(b *testing.B) {
			inner := &canned{bytes: request}
			conn := net.Conn(inner)
			if kind == "wrapped" {
				conn = wrap(b, inner)
			}
			buf := make([]byte, chunk)
			b.ReportAllocs()
			for id := uint32(1); b.Loop(); id += 2 {
				for _, at := range []int{5, 5 + 9 + 60} {
					put(request[at:], id)
				}
				for _, at := range []int{5, 5 + 9 + 20, 5 + 9 + 20 + 9 + 105} {
					put(response[at:], id)
				}
				_, _ = conn.Read(buf)
				_, _ = conn.Write(response)
			}
		})
	}
}

// BenchmarkConnBytes is what it adds to a Read and a Write of 32 KiB, of DATA
// frames of 16 KiB. A socket takes microseconds for that.
func BenchmarkConnBytes(b *testing.B) {
	for _, kind := range []string{"bare", "wrapped"} {
		b.Run(kind, func(b *testing.B) {
			inner := &canned{bytes: message[:2*(9+16<<10)]}
			conn := net.Conn(inner)
			if kind == "wrapped" {
				conn = wrap(b, inner)
			}
			buf := make([]byte, len(inner.bytes))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = conn.Read(buf)
				_, _ = conn.Write(buf)
			}
		})
	}
}

func wrap(b *testing.B, inner *canned) net.Conn {
	b.Helper()
	conn, err := interceptors.Listener(newTracer(b), inner).Accept()
	if err != nil {
		b.Fatal(err)
	}
	inner.handshake(conn)
	return conn
}

func put(p []byte, id uint32) {
	p[0], p[1], p[2], p[3] = byte(id>>24)&0x7f, byte(id>>16), byte(id>>8), byte(id)
}
