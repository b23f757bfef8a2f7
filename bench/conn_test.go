// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/interceptors"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

const (
	messageSize = 1 << 20
	perTurn     = 256      // messages
	chunk       = 32 << 10 // grpc's default buffers
)

// BenchmarkConn is what a wrapped connection carries: messages of 1 MiB in DATA
// frames of 16 KiB, over loopback TCP, bare and wrapped taking turns. "throughput"
// is bare's time by wrapped's: of bare's bytes a second, how many are left.
func BenchmarkConn(b *testing.B) {
	for _, tt := range []struct {
		name string
		turn func(b *testing.B, server, client net.Conn)
	}{{"Read", readTurn}, {"Write", writeTurn}} {
		b.Run(tt.name, func(b *testing.B) {
			turn := func(wrapped bool) func() time.Duration {
				server, client := connect(b, wrapped)
				return func() time.Duration {
					return timed(func() { tt.turn(b, server, client) })
				}
			}
			bare, wrapped := turn(false), turn(true)
			for b.Loop() {
				reportThroughput(b, "", takeTurns(bare, wrapped))
				reportThroughput(b, "cpu-", takeTurns(spent(bare), spent(wrapped)))
			}
		})
	}
}

// BenchmarkUpload is the same through grpc: a client stream of messages of 1 MiB.
func BenchmarkUpload(b *testing.B) {
	turn := func(kind string) func() time.Duration {
		c := dial(b, serve(b, kind))
		req := &greeterv1.UploadRequest{Chunk: make([]byte, messageSize)}
		return func() time.Duration {
			return timed(func() {
				s, err := c.Upload(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				for range perTurn {
					_ = s.Send(req)
				}
				if _, err := s.CloseAndRecv(); err != nil {
					b.Error(err)
				}
			})
		}
	}
	bare, traced := turn("bare"), turn("traced")
	for b.Loop() {
		reportThroughput(b, "", takeTurns(bare, traced))
		reportThroughput(b, "cpu-", takeTurns(spent(bare), spent(traced)))
	}
}

func reportThroughput(b *testing.B, what string, m []time.Duration) {
	b.Helper()
	rate := func(d time.Duration) float64 { return perTurn * messageSize / 1e6 / d.Seconds() }
	b.ReportMetric(rate(m[0]), what+"bare-MB/s")
	b.ReportMetric(rate(m[1]), what+"wrapped-MB/s")
	b.ReportMetric(float64(m[0])/float64(m[1]), what+"throughput")
	b.ReportMetric(0, "ns/op")
}

// message is 1 MiB in DATA frames, as grpc writes it.
var message = func() (p []byte) {
	const frame = 16 << 10
	for range messageSize / frame {
		p = append(p, byte(frame>>16), byte(frame>>8&0xff), byte(frame&0xff), 0, 0, 0, 0, 0, 1)
		p = append(p, make([]byte, frame)...)
	}
	return p
}()

func readTurn(b *testing.B, server, client net.Conn) {
	b.Helper()
	go func() {
		for range perTurn {
			_, _ = client.Write(message)
		}
	}()
	buf := make([]byte, chunk)
	for left := perTurn * len(message); left > 0; {
		n, err := server.Read(buf[:min(left, chunk)])
		if err != nil {
			b.Error(err)
			return
		}
		left -= n
	}
}

func writeTurn(b *testing.B, server, client net.Conn) {
	b.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.CopyN(io.Discard, client, int64(perTurn*len(message)))
	}()
	for range perTurn {
		for p := message; len(p) > 0; p = p[min(chunk, len(p)):] {
			if _, err := server.Write(p[:min(chunk, len(p))]); err != nil {
				b.Error(err)
			}
		}
	}
	<-done
}

// connect returns both ends of a connection whose HTTP/2 preface is over.
func connect(b *testing.B, wrapped bool) (server, client net.Conn) {
	b.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	if wrapped {
		lis = interceptors.Listener(newTracer(b), lis)
	}
	if client, err = net.Dial("tcp", lis.Addr().String()); err != nil {
		b.Fatal(err)
	}
	if server, err = lis.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	const hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings
	_, _ = io.WriteString(client, hello)
	_, _ = io.ReadFull(server, make([]byte, len(hello)))
	_, _ = io.WriteString(server, settings)
	_, _ = io.ReadFull(client, make([]byte, len(settings)))
	return server, client
}

// settings is an empty SETTINGS frame.
const settings = "\x00\x00\x00\x04\x00\x00\x00\x00\x00"
