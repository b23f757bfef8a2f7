// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/gracetrace/gracetrace/interceptors"
)

// scripted is a listener of the application's whose Accept and Close do what a
// test says.
type scripted struct {
	net.Listener
	accept func() (net.Conn, error)
	close  func() error
}

func (s *scripted) Accept() (net.Conn, error) { return s.accept() }
func (s *scripted) Close() error              { return s.close() }
func (s *scripted) Addr() net.Addr            { return &net.TCPAddr{Port: 1} }

// TestAcceptAsItIs: what an application's Accept does reaches its caller.
func TestAcceptAsItIs(t *testing.T) {
	temporary := &net.DNSError{IsTemporary: true}
	for name, test := range map[string]struct {
		accept func() (net.Conn, error)
		err    error
		panics any
		exits  bool
	}{
		"a temporary error": {accept: func() (net.Conn, error) { return nil, temporary }, err: temporary},
		"a panic":           {accept: func() (net.Conn, error) { panic(temporary) }, panics: temporary},
		"runtime.Goexit": {
			accept: func() (net.Conn, error) { runtime.Goexit(); return nil, nil }, exits: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			lis := interceptors.Listener(newTracer(t), &scripted{accept: test.accept})
			done := make(chan struct{})
			go func() {
				defer close(done)
				returned := false
				defer func() {
					v := recover()
					if v != test.panics || test.exits != (!returned && v == nil) {
						t.Errorf("panic %v, returned %t; want panic %v, exit %t",
							v, returned, test.panics, test.exits)
					}
				}()
				c, err := lis.Accept()
				returned = true
				if c != nil || err != test.err { //nolint:errorlint // the very same
					t.Errorf("Accept: %v, %v; want %v", c, err, test.err)
				}
			}()
			<-done
		})
	}
}

// closeTold is a connection that tells when it is closed.
type closeTold struct {
	net.Conn
	closed chan struct{}
}

func (c *closeTold) Close() error {
	close(c.closed)
	return nil
}

// TestRelease: a forced stop goes on without an Accept and a Close that do not
// return; what the Accept brings later is closed.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := newTracer(t)
		late, gate := &closeTold{closed: make(chan struct{})}, make(chan struct{})
		lis := interceptors.Listener(tr, &scripted{
			accept: func() (net.Conn, error) { <-gate; return late, nil },
			close:  func() error { <-gate; return errors.New("too late") },
		})
		results := make(chan error, 2)
		go func() { _, err := lis.Accept(); results <- err }()
		go func() { results <- lis.Close() }()
		synctest.Wait()
		if len(results) > 0 {
			t.Fatal("Accept or Close returned although nobody had released it")
		}
		time.Sleep(time.Second) // of the bubble's
		tr.Table().ReleaseListeners()
		for range 2 {
			if err := <-results; !errors.Is(err, net.ErrClosed) {
				t.Errorf("released with %v, want net.ErrClosed", err)
			}
		}
		if _, err := lis.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("another Accept: %v, want net.ErrClosed at once", err)
		}
		l := tr.Table().Snapshot().Listeners[0]
		if !l.AcceptAbandoned || !l.CloseAbandoned || l.AcceptReturned == 0 {
			t.Errorf("%+v; want both abandoned, and the loop over", l)
		}
		close(gate)
		<-late.closed
	})
}

// TestNoPump: a listener that returns when it is closed is called on its caller's
// goroutine.
func TestNoPump(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	for inner, accept := range map[net.Listener]string{
		tcp:               "net.(*TCPListener).Accept(",
		bufconn.Listen(1): "bufconn.(*Listener).Accept(",
	} {
		lis := interceptors.Listener(newTracer(t), inner)
		returned := make(chan struct{})
		go func() { defer close(returned); _, _ = lis.Accept() }()
		stacks := make([]byte, 1<<20)
		in := -1
		var all []string
		for in < 0 {
			runtime.Gosched()
			all = strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
			in = slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, accept) })
		}
		if strings.Contains(all[in], "interceptors.interruptible") {
			t.Errorf("Accept of %T is called on a goroutine of its own", inner)
		}
		_ = lis.Close()
		<-returned
	}
}
