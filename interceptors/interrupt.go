// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"net"
	"reflect"
	"runtime"
)

// bufconnPath is where grpc's listener in memory is defined.
const bufconnPath = "google.golang.org/grpc/test/bufconn"

// endsWhenClosed reports whether lis does what net.Listener demands: its Close
// returns, and its Accept then returns too. Of others (cmux, a user's own) a
// forced stop must not depend.
func endsWhenClosed(lis net.Listener) bool {
	switch lis.(type) {
	case *net.TCPListener, *net.UnixListener:
		return true
	}
	t := reflect.TypeOf(lis)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == bufconnPath
}

// ending is how a call of the application's ended.
type ending struct {
	conn     net.Conn
	err      error
	panicked any
	exited   bool // runtime.Goexit
}

// interruptible makes a call in a goroutine of its own and waits for it, but no
// longer than until released is closed: ok is false then. The goroutine ends with
// the call. A panic is the caller's, with its value.
func interruptible(released <-chan struct{}, call func() (net.Conn, error)) (e ending, ok bool) {
	done := make(chan ending) // nobody takes what comes late
	go func() {
		e := ending{exited: true}
		defer func() {
			if e.panicked = recover(); e.panicked != nil {
				e.exited = false
			}
			select {
			case done <- e:
			case <-released:
				e.late()
			}
		}()
		e.conn, e.err = call()
		e.exited = false
	}()
	select {
	case e = <-done:
	case <-released:
		return e, false
	}
	switch {
	case e.panicked != nil:
		panic(e.panicked)
	case e.exited:
		runtime.Goexit()
	}
	return e, true
}

// late closes a connection that nobody will serve. A panic is nobody's then; it
// is not swallowed.
func (e *ending) late() {
	if e.panicked != nil {
		panic(e.panicked)
	}
	if e.conn != nil {
		_ = e.conn.Close() // nobody is there to be told
	}
}
