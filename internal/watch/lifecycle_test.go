// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lifecycle drives one connection through a table's bookkeeping. Each step
// happens one millisecond after the one before.
type lifecycle struct {
	t    *testing.T
	srv  *Server
	conn *Conn
	call Instant
	woke int
}

type step func(*lifecycle)

func handshakeBegin(l *lifecycle) { l.conn.HandshakeBegin(time.Now().Add(2 * time.Minute)) }
func handshakeEnd(l *lifecycle)   { l.conn.HandshakeEnd() }
func frames(l *lifecycle)         { l.conn.FramesSeen() }
func dispatched(l *lifecycle)     { l.conn.Dispatched() }
func readBegin(l *lifecycle)      { l.conn.ReadBegin() }
func readOK(l *lifecycle)         { l.conn.ReadEnd(9, nil) }
func readErr(l *lifecycle)        { l.conn.ReadEnd(0, io.EOF) }
func closed(l *lifecycle)         { l.conn.Closed() }
func goAway(l *lifecycle)         { l.conn.GoAwaySent(true, 1<<31-1) }
func finalGoAway(l *lifecycle)    { l.conn.GoAwaySent(false, 1) }

func watched(l *lifecycle) {
	call, ok := l.srv.Watch(func() { l.woke++ })
	if !ok {
		l.t.Error("a shutdown was being watched already")
	}
	l.call = call
}

// transport is what every connection that is served begins with.
var transport = []step{handshakeBegin, readBegin, frames, readOK, handshakeEnd, readBegin}

// counts are the numbers by which a shutdown's phases end.
type counts struct{ Table, Shaking, Unsent, Open int }

func (l *lifecycle) counts() counts {
	l.srv.mu.Lock()
	defer l.srv.mu.Unlock()
	c := counts{len(l.srv.conns), l.srv.shaking, l.srv.unsent, l.srv.open}
	if min(c.Shaking, c.Unsent, c.Open) < 0 {
		l.t.Errorf("a count is negative: %+v", c)
	}
	return c
}

// run accepts a connection, lets the steps happen, and returns which step let
// go of it: the moment that the snapshot calls Gone.
func (l *lifecycle) run(steps []step) (state ConnState, gone int) {
	lis := l.srv.AddListener(&net.TCPAddr{Port: 1}, "test")
	l.conn = lis.Accepted(&net.TCPAddr{Port: 2}, io.NopCloser(nil))
	lis.AcceptEnd() // from here on only the connection holds
	lis.CloseBegin()
	lis.CloseEnd()
	gone = -1
	at := make(map[Instant]int)
	for i, s := range steps {
		time.Sleep(time.Millisecond) // of the bubble's
		at[l.srv.Now()] = i
		s(l)
		l.counts()
	}
	state = l.conn.state()
	if i, ok := at[state.Gone]; ok {
		gone = i
	}
	return state, gone
}

func newLifecycle(t *testing.T) *lifecycle { return &lifecycle{t: t, srv: NewServer()} }

// TestConnLeaves has the orders in which grpc lets go of a connection (facts 46
// and 48). Each ends with an empty table and all counts at zero.
func TestConnLeaves(t *testing.T) {
	served := func(steps ...step) []step { return append(append([]step{}, transport...), steps...) }
	served0 := len(transport)
	for _, tt := range []struct {
		name  string
		steps []step
		gone  int // index of the step that let go
	}{
		{"a peer closes: read error, the reader's Close, the writer's", served(readErr, closed, closed), served0 + 2},
		{"and the writer had ended with the drain", served(goAway, finalGoAway, readErr, closed, closed),
			served0 + 3},
		{"Stop: Close, read error, the writer's Close", served(closed, readErr, closed), served0 + 2},
		{"linger: Close, read error, Close", served(closed, readErr, closed), served0 + 2},
		{"Close, then a read error, no Close after it", served(closed, readErr), served0 + 1},
		{"TLS that is not wrapped: one Close, no read error", []step{
			handshakeBegin, readBegin, readOK, handshakeEnd, readBegin, closed,
		}, 5},
		{"the reader refuses a frame: two Closes, no read error", served(readOK, closed, closed), served0 + 1},
		{"and one Close only, if the writer failed too", served(readOK, closed), served0 + 1},
		{"accepted after quit: one Close, no handshake", []step{closed}, 0},
		{"the handshake fails: Close, then the deadline is cleared", []step{handshakeBegin, closed, handshakeEnd}, 1},
		{"a read fails in the handshake", []step{
			handshakeBegin, readBegin, readErr, closed, closed, handshakeEnd,
		}, 3},
		{"with the preface seen", []step{
			handshakeBegin, readBegin, frames, readErr, closed, handshakeEnd,
		}, 4},
		{"credentials keep the connection", []step{handshakeBegin, dispatched, handshakeEnd}, -1},
		{"and close it later", []step{handshakeBegin, dispatched, handshakeEnd, closed}, 3},
		{"GOAWAY twice, then linger", served(goAway, finalGoAway, closed, readErr, closed), served0 + 4},
		{"GOAWAY before the handshake's end", []step{
			handshakeBegin, frames, goAway, handshakeEnd, readBegin, readErr, closed,
		}, 6},
		{"GOAWAY after it was gone", served(readErr, closed, goAway, finalGoAway), served0 + 1},
		{"more of everything", served(readErr, closed, readErr, closed, handshakeEnd, closed, goAway),
			served0 + 5},
	} {
		for _, when := range []string{"at rest", "during a shutdown"} {
			t.Run(tt.name+", "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					l := newLifecycle(t)
					if when != "at rest" {
						watched(l)
					}
					_, gone := l.run(tt.steps)
					if gone != tt.gone {
						t.Errorf("let go by step %d, want %d", gone, tt.gone)
					}
					if diff := cmp.Diff(counts{}, l.counts()); diff != "" {
						t.Errorf("the table is not empty (-want +got):\n%s", diff)
					}
					want := 0
					if when != "at rest" {
						want = 1
						if l.woke == 0 {
							t.Error("the shutdown was not woken")
						}
					}
					if got := len(l.srv.Snapshot().Conns); got != want {
						t.Errorf("the report has %d connections, want %d", got, want)
					}
				})
			})
		}
	}
}
