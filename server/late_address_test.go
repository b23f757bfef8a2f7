// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// mumListener is one for the PROXY protocol whose clients have not sent its header:
// nobody can say who they are before they do.
type mumListener struct{ net.Listener }

func (l mumListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &mumConn{Conn: c}, err
}

type mumConn struct {
	net.Conn
	once sync.Once
}

func (c *mumConn) header() {
	c.once.Do(func() { _, _ = c.Conn.Read(make([]byte, 1)) })
}

func (c *mumConn) Read(p []byte) (int, error)  { c.header(); return c.Conn.Read(p) }
func (c *mumConn) Write(p []byte) (int, error) { c.header(); return c.Conn.Write(p) }
func (c *mumConn) LocalAddr() net.Addr         { c.header(); return c.Conn.LocalAddr() }
func (c *mumConn) RemoteAddr() net.Addr        { c.header(); return c.Conn.RemoteAddr() }

// TestPeerNotKnown: silent clients behind a PROXY listener hold a stop. Who they are
// cannot be known while they are silent, and nobody may wait to know it.
func TestPeerNotKnown(t *testing.T) {
	var report *tracer.Report
	tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r }))
	s := server.New(tr, server.GracePeriod(4*time.Second))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(mumListener{lis}) }()
	for range 2 { // the first keeps nobody from accepting the second
		c, err := net.Dial("tcp", lis.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	for n := uint64(0); n < 2; <-poll.C {
		n, _ = tr.Table().Accepted()
	}
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	<-served
	for _, want := range []string{"handshake wait took ", "handshake from 127.0.0.1:"} {
		if !strings.Contains(report.Verdict, want) {
			t.Errorf("the verdict does not say %q: %s", want, report.Verdict)
		}
	}
	if report.Clients.HandshakesClosed != 2 {
		t.Errorf("%d handshakes were closed, want 2", report.Clients.HandshakesClosed)
	}
}
