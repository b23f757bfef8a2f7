// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// Socket is a peer that does not get as far as HTTP/2. It reads whatever the
// server says and answers nothing.
type Socket struct {
	conn  net.Conn
	ready chan struct{}
	done  chan struct{} // closed by read
	close func() error
}

var _ Peer = (*Socket)(nil)

// Silent connects and sends nothing, as a port scanner does, or a load
// balancer that keeps connections in reserve. It holds every stop of a grpc-go
// server for the ConnectionTimeout, 120 s by default. It is ready at once.
func Silent(ctx context.Context, dial DialFunc) (*Socket, error) {
	return say(ctx, dial, "")
}

// helloStart is the beginning of a TLS ClientHello (RFC 8446, section 4.1.2):
// the header of a record of 512 bytes, that of the message and its version.
const helloStart = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

// HalfTLS sends the first 11 bytes of a TLS handshake and no more. It is ready
// at once.
func HalfTLS(ctx context.Context, dial DialFunc) (*Socket, error) {
	return say(ctx, dial, helloStart)
}

// HalfPreface sends 9 of the 24 bytes with which an HTTP/2 client begins. It is
// ready at once. A dial function made by DialTLS gives it TLS.
func HalfPreface(ctx context.Context, dial DialFunc) (*Socket, error) {
	return say(ctx, dial, "PRI * HTT")
}

// NoPreface completes a TLS handshake and then sends nothing. It is ready when
// the server has spoken first, as an HTTP/2 server does, and so is waiting.
func NoPreface(ctx context.Context, dial DialFunc, config *tls.Config) (*Socket, error) {
	conn, err := DialTLS(dial, config)(ctx)
	if err != nil {
		return nil, err
	}
	s := newSocket(conn)
	go s.read()
	return s, nil
}

// say connects, sends first and falls silent.
func say(ctx context.Context, dial DialFunc, first string) (*Socket, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	if first != "" {
		if _, err := conn.Write([]byte(first)); err != nil {
			_ = conn.Close() // the write's error is the one to report
			return nil, err
		}
	}
	s := newSocket(conn)
	close(s.ready)
	go s.read()
	return s, nil
}

func newSocket(conn net.Conn) *Socket {
	s := &Socket{conn: conn, ready: make(chan struct{}), done: make(chan struct{})}
	s.close = sync.OnceValue(func() error {
		err := conn.Close()
		<-s.done
		return err
	})
	return s
}

// read discards what the server sends until the connection ends.
func (s *Socket) read() {
	defer close(s.done)
	buf := make([]byte, 512)
	for {
		n, err := s.conn.Read(buf)
		if n > 0 {
			select {
			case <-s.ready:
			default:
				close(s.ready)
			}
		}
		if err != nil {
			return
		}
	}
}

// Ready implements Peer.
func (s *Socket) Ready() <-chan struct{} { return s.ready }

// Done implements Peer.
func (s *Socket) Done() <-chan struct{} { return s.done }

// LocalAddr implements Peer.
func (s *Socket) LocalAddr() net.Addr { return s.conn.LocalAddr() }

// Close implements Peer.
func (s *Socket) Close() error { return s.close() }
