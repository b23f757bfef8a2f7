// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"fmt"
	"net"
	"syscall"
	"testing"

	"google.golang.org/grpc/mem"

	"github.com/gracetrace/gracetrace/interceptors"
)

// pooledConn reads through pooled buffers by itself, as the connection of the
// ALTS credentials does.
type pooledConn struct{ net.Conn }

func (c pooledConn) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	buf := pool.Get(size)
	n, err := c.Read(*buf)
	if err != nil {
		pool.Put(buf)
		return nil, 0, err
	}
	return buf, n, nil
}

type pooledSocketConn struct {
	pooledConn
	syscall.Conn
}

// TestPooledReadsForwarded: a connection made by credentials is read through
// pooled buffers if it offers that, and still watched.
func TestPooledReadsForwarded(t *testing.T) {
	for _, socket := range []bool{false, true} {
		t.Run(fmt.Sprintf("with a socket %t", socket), func(t *testing.T) {
			tr := newTracer(t)
			lis := listen(t, "tcp")
			peer := lis.dial(t)
			creds := interceptors.Credentials(tr, &fakeCredentials{
				protocol: "fake", made: func(c net.Conn) net.Conn {
					if socket {
						return pooledSocketConn{pooledConn{c}, c.(syscall.Conn)}
					}
					return pooledConn{c}
				},
			})
			c, _, err := creds.ServerHandshake(accept(t, interceptors.Listener(tr, lis)))
			if err != nil {
				t.Fatal(err)
			}
			if socketOf(t, c) != socket {
				t.Errorf("%T: a socket is %t, want %t", c, !socket, socket)
			}
			if _, err := peer.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			pool := mem.DefaultBufferPool()
			buf, n, err := c.(interface {
				ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error)
			}).ReadOnReady(100, pool)
			if err != nil || string((*buf)[:n]) != "hello" {
				t.Fatalf("read %d bytes, %v", n, err)
			}
			pool.Put(buf)
			if got := tr.Table().Snapshot().Conns[0].BytesRead; got != 5 {
				t.Errorf("%d bytes were seen, want 5", got)
			}
		})
	}
}
