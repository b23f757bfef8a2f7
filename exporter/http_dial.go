// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"
)

// dial takes a second at most once the name is resolved, as gRPC does, TLS
// included. A resolver that lost a packet takes five.
func (w *way) dial(h hop) (net.Conn, error) {
	begin := time.Now()
	ctx, cancel := context.WithCancel(w.life)
	defer cancel()
	limit := time.AfterFunc(attemptLimit, cancel)
	defer limit.Stop()
	conn, err := w.dialer(limit)(ctx, h.addr)
	if err == nil && h.tls {
		conn, err = w.handshake(ctx, conn, h.addr)
	}
	switch {
	case err == nil:
		return w.add(conn)
	case w.life.Err() != nil:
		return nil, err
	case ctx.Err() != nil:
		err = &httpError{err: fmt.Errorf("no connection to %s after %v",
			h.addr, time.Since(begin).Round(time.Millisecond))}
	}
	w.owner.failed.Store(&err)
	return nil, err
}

// dialer resets limit when it begins to connect.
func (w *way) dialer(limit *time.Timer) dialer {
	var once sync.Once
	begin := func() { once.Do(func() { limit.Reset(connectTimeout) }) }
	if w.set.dial != nil {
		begin()
		return w.set.dial
	}
	d := net.Dialer{Control: func(string, string, syscall.RawConn) error {
		begin()
		return nil
	}}
	return func(ctx context.Context, addr string) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", addr)
	}
}

func (w *way) handshake(ctx context.Context, conn net.Conn, addr string) (net.Conn, error) {
	host, _, _ := net.SplitHostPort(addr)
	secure := tls.Client(conn, w.tlsConfig(host))
	err := secure.HandshakeContext(ctx)
	if err == nil {
		return secure, nil
	}
	_ = conn.Close() // the handshake's error is the one to tell
	h := &httpError{err: fmt.Errorf("TLS handshake with %s: %w", addr, err)}
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &record):
		h.text = "no TLS there: write http://?"
	case errors.As(err, &alert) && alert == alertNoProtocol:
		h.text = noHTTP1
	}
	return nil, h
}

// noHTTP1 is also said of a Go server that ends the connection: the handshake ends
// well with a client that knows HTTP/1.1 only. (crypto/tls, negotiateALPN.)
const noHTTP1 = "no HTTP/1.1 there: a gRPC port?"

// alertNoProtocol is no_application_protocol. (RFC 7301 section 3.2.)
const alertNoProtocol = 120
