// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net"
	"testing"
	"time"
)

// TestInherited: under socket activation another process has the socket as well, and
// no client is refused when the server closes its own.
func TestInherited(t *testing.T) {
	for name, copied := range map[string]bool{"its own socket": false, "a copy": true} {
		t.Run(name, func(t *testing.T) {
			tr, _ := newTestTracer(t)
			lis, c := withClient(t)
			l := tr.Table().AddListener(lis.Addr(), "test")
			l.AcceptBegin()
			l.Accepted(c.RemoteAddr(), c)
			if copied {
				f, err := lis.(*net.TCPListener).File()
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			if s.isInherited() {
				t.Error("it listens itself")
			}
			l.CloseBegin()
			_ = lis.Close()
			l.CloseEnd()
			l.AcceptEnd()
			if got := s.isInherited(); got != copied {
				t.Errorf("somebody else listens: %t, want %t", got, copied)
			}
			s.Returned()
			s.Finish(t.Context())
			if got := s.timeline().clients.inherited; got != copied {
				t.Errorf("the timeline says %t, want %t", got, copied)
			}
		})
	}
}

// TestInheritedClients: who has just come is no sign of clients that meet nobody
// where somebody else listens; who was refused is.
func TestInheritedClients(t *testing.T) {
	tl := &timeline{
		returned: time.Millisecond, now: time.Millisecond, graceful: true, forced: never,
		listeners: []listenerLine{{closeBegin: 0, closeEnd: 1}},
		conns:     []connLine{{transport: true, accepted: -time.Millisecond, closed: never, gone: 1}},
	}
	tl.clients.since = -time.Minute
	if tl.untoldClients() == "" {
		t.Fatal("a client that has just come is no sign of others")
	}
	tl.clients.inherited = true
	if got := tl.untoldClients(); got != "" {
		t.Errorf("it says %q", got)
	}
	tl.clients.refused = 100
	if tl.untoldClients() == "" {
		t.Error("those who were refused are not told")
	}
}
