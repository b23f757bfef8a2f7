// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// TestSevered: a connection was cut if this side closed it with a stream open and
// its peer was there.
func TestSevered(t *testing.T) {
	here := fmt.Errorf("read tcp: %w", net.ErrClosed)
	for name, tt := range map[string]struct {
		streams int
		before  func(*Conn)
		read    error
		want    bool
	}{
		"closed here":            {1, nil, here, true},
		"closed here, in memory": {1, nil, io.ErrClosedPipe, true},
		"closed here in a Write": {1, func(c *Conn) { c.CloseBegin(); c.WriteFailed(here) }, here, true},
		"its streams had ended":  {0, nil, here, false},
		"the peer closed it":     {1, nil, io.EOF, false},
		"the peer reset it":      {1, nil, syscall.ECONNRESET, false},
		"the peer was gone before": {
			1, func(c *Conn) { c.WriteFailed(syscall.EPIPE); c.CloseBegin() }, here, false,
		},
		"the peer was gone before, in memory": {
			1, func(c *Conn) { c.WriteFailed(io.ErrClosedPipe) }, io.ErrClosedPipe, false,
		},
		"it had answered": {1, func(c *Conn) {
			c.PingSent()
			c.PingAcked()
		}, here, true},
		"it did not answer": {1, func(c *Conn) {
			c.PingAcked() // a PING that nobody sent
			c.PingSent()
			c.PingSent()
			c.PingAcked()
		}, here, false},
		"it was an error": {1, (*Conn).GivenUp, here, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := NewServer()
			l := s.AddListener(&net.TCPAddr{Port: 1}, "test")
			c := l.Accepted(&net.TCPAddr{Port: 2}, io.NopCloser(nil))
			c.HandshakeBegin(time.Now().Add(time.Minute))
			c.FramesSeen()
			c.HandshakeEnd()
			for i := range tt.streams {
				c.StreamOpened(uint32(2*i+1), false)
			}
			s.Watch(func() {})
			if tt.before != nil {
				tt.before(c)
			}
			c.ReadEnd(0, tt.read)
			c.Closed()
			if got := s.Snapshot().Conns[0].Severed; got != tt.want {
				t.Errorf("severed is %t, want %t", got, tt.want)
			}
		})
	}
}
