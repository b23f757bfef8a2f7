// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net"
	"testing"
	"time"
)

// TestGateway: a client in the server's own process, over a socket, is told from
// others on this machine once a checkpoint has had a look.
func TestGateway(t *testing.T) {
	tr, _ := newTestTracer(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	client, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	raw, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	l := tr.Table().AddListener(lis.Addr(), "*net.TCPListener")
	l.AcceptBegin()
	c := l.Accepted(raw.RemoteAddr(), raw)
	c.HandshakeBegin(time.Now().Add(time.Minute))
	c.HandshakeEnd()
	tr.mu.Lock()
	s := tr.beginLocked(Call{Graceful: true}) // without its goroutine, which would ask, too
	tr.mu.Unlock()
	defer tr.release(s)
	closeListener(l)
	tl, views := s.view()
	if got := tl.conns[0].where; got != localProxy {
		t.Errorf("at first it is %q, want %q", got, localProxy)
	}
	const limit = time.Minute // of a busy machine
	if !s.seekOwn(tl, views, limit) {
		t.Error("it is not found")
	}
	tl, views = s.view()
	if got := tl.conns[0].where; got != sameProcess {
		t.Errorf("then it is %q, want %q", got, sameProcess)
	}
	if c := views[len(views)-1].culprit; c == nil || c.Local != string(sameProcess) {
		t.Errorf("the culprit is %+v, want one in this process", c)
	}
	if s.seekOwn(tl, views, limit) {
		t.Error("it is found again")
	}
}
