// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
)

// withClient listens where nobody else does, and has accepted a client.
func withClient(t *testing.T) (net.Listener, net.Conn) {
	t.Helper()
	lis, err := net.Listen("tcp", address.TCP(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	client, err := net.Dial("tcp", lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	c, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return lis, c
}

// TestRefusedByTheKernel: dials to a listener that was closed are counted, if
// that was one of sockets.
func TestRefusedByTheKernel(t *testing.T) {
	for _, tt := range []struct {
		name    string
		socket  bool
		watched time.Duration // before the call
		known   bool
	}{
		{"a socket", true, time.Minute, true},
		{"a socket of a process that has just started", true, -time.Minute, false},
		{"memory", false, time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			started := make(begun, 9)
			tr, _ := newTestTracer(t, WithLogger(slog.New(slog.NewTextHandler(started, nil))))
			tr.resets.at = tr.resets.at.Add(-tt.watched)
			lis, c := withClient(t)
			l := tr.Table().AddListener(lis.Addr(), "test")
			l.AcceptBegin()
			if tt.socket {
				l.Accepted(c.RemoteAddr(), c)
			} else {
				l.Accepted(c.RemoteAddr(), closer{})
			}
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			_ = lis.Close()
			for !strings.Contains(<-started, logStarted) {
				continue // the count has not been read yet
			}
			const dials = 20
			for range dials {
				if c, err := net.Dial("tcp", lis.Addr().String()); err == nil {
					_ = c.Close()
					t.Fatal("somebody listens there now")
				}
			}
			s.Returned()
			close(s.stop)
			s.end(t.Context()) // Finish waits for it, but not for as long as it takes
			if got := s.refused; tt.known && got < dials || !tt.known && got != -1 {
				t.Errorf("%d refused, want %d or more if it is known, else -1", got, dials)
			}
		})
	}
}

// begun passes log records on.
type begun chan string

func (b begun) Write(p []byte) (int, error) {
	b <- string(p)
	return len(p), nil
}
