// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc/mem"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/tracer"
)

// readyReader is grpc's internal/transport/readyreader.Reader.
type readyReader interface {
	ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error)
}

// pooled reports whether grpc would read c through pooled buffers: by its type,
// as readyreader.NewNonBlocking knows it, or by its method (fact 45).
func pooled(c net.Conn) bool {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn, readyReader:
		return true
	}
	return false
}

// TestPooledReads: what grpc would read through pooled buffers bare, it does
// wrapped, and nothing else: over TLS it would read ciphertext.
func TestPooledReads(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				lis := listen(t, network)
				lis.dial(t)
				if c := accept(t, interceptors.Listener(tr, lis)); !pooled(c) {
					t.Errorf("%T is not read through pooled buffers", c)
				}
			})
		})
		t.Run(network+" with TLS", func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				if c := shakeHands(t, tr, listen(t, network)); pooled(c) {
					t.Errorf("%T is read through pooled buffers", c)
				}
			})
		})
	}
}

// TestReadOnReady reads what was sent, in the buffer's size, then io.EOF; and an
// error once it is closed.
func TestReadOnReady(t *testing.T) {
	lis := listen(t, "tcp")
	peer := lis.dial(t)
	c := accept(t, interceptors.Listener(newTracer(t), lis))
	sent := strings.Repeat("abc", 10_000)
	go func() {
		_, _ = io.WriteString(peer, sent)
		_ = peer.Close()
	}()
	pool := mem.DefaultBufferPool()
	var got strings.Builder
	for {
		buf, n, err := c.(readyReader).ReadOnReady(1000, pool)
		if err != nil {
			if !errors.Is(err, io.EOF) || n != 0 || buf != nil {
				t.Errorf("the end is (%v, %d, %v), want (nil, 0, EOF)", buf, n, err)
			}
			break
		}
		got.Write((*buf)[:n])
		pool.Put(buf)
	}
	if got.String() != sent {
		t.Errorf("read %d bytes, want the %d that were sent", got.Len(), len(sent))
	}
	_ = c.Close()
	if buf, n, err := c.(readyReader).ReadOnReady(1000, pool); err == nil || n != 0 || buf != nil {
		t.Errorf("after Close it is (%v, %d, %v), want an error", buf, n, err)
	}
}
