// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"crypto/tls"
	"net"
)

// DialFunc connects to the server. The context limits the dial alone.
type DialFunc func(ctx context.Context) (net.Conn, error)

// DialTCP returns a function that connects to a TCP address.
func DialTCP(address string) DialFunc {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}

// DialTLS returns a function that connects by dial and completes a TLS
// handshake. HTTP/2 is negotiated if config does not say otherwise, as a gRPC
// server asks (RFC 9113, section 3.3).
func DialTLS(dial DialFunc, config *tls.Config) DialFunc {
	config = config.Clone()
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"h2"}
	}
	return func(ctx context.Context) (net.Conn, error) {
		raw, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(raw, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = raw.Close() // the handshake's error is the one to report
			return nil, err
		}
		return conn, nil
	}
}

// innermost returns what conn is wrapped around: the socket below TLS.
func innermost(conn net.Conn) net.Conn {
	for {
		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return conn
		}
		conn = wrapped.NetConn()
	}
}

// abort closes conn without a farewell: no close_notify and, over TCP, an RST
// instead of a FIN.
func abort(conn net.Conn) error {
	conn = innermost(conn)
	if tcp, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = tcp.SetLinger(0) // fails only if the connection is closed already
	}
	return conn.Close()
}
