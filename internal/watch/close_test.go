// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// shut is a connection that tells when it is closed; hang keeps its Close.
type shut struct {
	net.Conn
	closed chan struct{}
	hang   <-chan struct{}
}

func (s *shut) Close() error {
	close(s.closed)
	if s.hang != nil {
		<-s.hang
	}
	return nil
}

func (s *shut) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// wrapping is a connection around another, as a tls.Conn.
type wrapping struct {
	*shut
	inner net.Conn
}

func (w *wrapping) NetConn() net.Conn { return w.inner }

// TestCloseHandshakes: the connections that still shake hands are closed, once,
// and no other; one whose Close hangs keeps nobody.
func TestCloseHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hang := NewServer(), make(chan struct{})
		defer close(hang)
		l := s.AddListener(&net.TCPAddr{Port: 1}, "test")
		add := func() (*shut, *Conn) {
			raw := &shut{closed: make(chan struct{})}
			c := l.Accepted(&net.TCPAddr{Port: 2}, raw)
			c.HandshakeBegin(time.Now().Add(time.Minute))
			return raw, c
		}
		served, c := add()
		c.HandshakeEnd()
		taken, c := add()
		c.Dispatched()
		silent, _ := add()
		inner := &shut{closed: make(chan struct{})}
		outer := &wrapping{&shut{closed: make(chan struct{}), hang: hang}, inner}
		l.Accepted(&net.TCPAddr{Port: 2}, outer).HandshakeBegin(time.Now().Add(time.Minute))

		if n := s.CloseHandshakes(); n != 2 {
			t.Errorf("it closed %d, want 2", n)
		}
		synctest.Wait()
		if !silent.isClosed() || !inner.isClosed() || served.isClosed() || taken.isClosed() {
			t.Errorf("closed: silent %t, below one that hangs %t, served %t, dispatched %t",
				silent.isClosed(), inner.isClosed(), served.isClosed(), taken.isClosed())
		}
		if n := s.CloseHandshakes(); n != 0 {
			t.Errorf("it closed %d again", n)
		}
		cut := 0
		for _, c := range s.Snapshot().Conns {
			if c.Cut != 0 {
				cut++
			}
		}
		if cut != 2 {
			t.Errorf("%d are told to have been cut, want 2", cut)
		}
	})
}
