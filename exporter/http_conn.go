// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// httpConn is a connection that notes when it was lost. It also keeps from
// net/http what no HTTP server says: the transport would print it through the
// app's package log, or not tell what it is.
type httpConn struct {
	net.Conn
	way   *way
	doubt string // what it most likely means if nothing comes but the end

	once   sync.Once
	wrote  chan struct{} // closed with the first write, or by Close
	begun  bool          // something was read; the transport reads from one goroutine
	closed atomic.Bool
}

var errUnasked = errors.New("the peer spoke without being asked")

// Read waits until there is a request: a server that speaks first, as gRPC's do,
// would find the transport with nobody to tell.
func (c *httpConn) Read(b []byte) (int, error) {
	<-c.wrote
	n, err := c.Conn.Read(b)
	if err != nil && !c.closed.Load() {
		c.way.owner.disconnected()
	}
	switch {
	case n == 0 && err != nil && !c.begun && c.doubt != "":
		return 0, &httpError{err: err, text: c.doubt}
	case n == 0, c.way.opaque:
		return n, err
	}
	if !c.way.asked.Load() {
		return 0, errUnasked
	}
	if !c.begun {
		c.begun = true
		if h := notHTTP(b[:n]); h != nil {
			c.way.owner.answer.Store(true)
			return 0, h
		}
	}
	return n, err
}

func (c *httpConn) Write(b []byte) (int, error) {
	c.once.Do(func() { close(c.wrote) })
	return c.Conn.Write(b)
}

func (c *httpConn) Close() error {
	c.closed.Store(true)
	c.once.Do(func() { close(c.wrote) })
	return c.Conn.Close()
}

// notHTTP says what the first bytes of an answer are if they are not HTTP/1's.
func notHTTP(b []byte) *httpError {
	const begin = "HTTP/"
	n := min(len(b), len(begin))
	if string(b[:n]) == begin[:n] {
		return nil
	}
	what := "what answers there does not speak HTTP"
	switch {
	case len(b) > 3 && b[3] == frameSettings && bytes.HasPrefix(b, []byte{0, 0}):
		what = "HTTP/2 answers there, as on gRPC's port " + grpcPort + "; OTLP over HTTP has " + httpPort
	case bytes.HasPrefix(b, []byte{recordAlert, 3}):
		what = "TLS answers there: write https://"
	}
	return &httpError{status: statusNotHTTP, text: what}
}

const (
	frameSettings = 0x4  // RFC 9113 section 6.5
	recordAlert   = 0x15 // RFC 8446 section 5.1
)
