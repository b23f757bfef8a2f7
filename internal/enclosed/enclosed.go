// SPDX-License-Identifier: Apache-2.0

// Package enclosed finds the connection of ours that a connection of package xds is
// wrapped around: it has no method that tells, but the same address.
package enclosed

import (
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
)

// conns has those whose handshake is not over: net.Addr, a pointer, to net.Conn.
var conns sync.Map

// Add makes known by its address a connection that is going to be enclosed. [Forget]
// is to be called when its handshake is over, and when it is closed.
func Add(a net.Addr, c net.Conn) {
	if identifies(a) {
		conns.Store(a, c)
	}
}

// Of returns the connection inside of one of package xds, nil if c is none or there is
// nothing of ours in it. Of others the address is not asked for: they may wait for
// their peer to tell it.
func Of(c net.Conn) net.Conn { return of(Addr(c)) }

// Addr returns the address of a connection of package xds, nil if c is none.
func Addr(c net.Conn) net.Addr {
	t := reflect.TypeOf(c)
	if t == nil || t.Kind() != reflect.Pointer || !isConn(t.Elem().PkgPath(), t.Elem().Name()) {
		return nil
	}
	return c.RemoteAddr()
}

func of(a net.Addr) net.Conn {
	if !identifies(a) {
		return nil
	}
	inner, _ := conns.Load(a)
	c, _ := inner.(net.Conn)
	return c
}

// Forget ends what Add began. It may be called more than once.
func Forget(a net.Addr, c net.Conn) {
	if identifies(a) {
		conns.CompareAndDelete(a, c)
	}
}

// identifies reports whether an address tells one connection from another.
func identifies(a net.Addr) bool {
	return a != nil && reflect.TypeOf(a).Kind() == reflect.Pointer
}

// callers is how far up [ByXDS] looks: its caller, our own Accept, that of a type it is
// embedded in, and what calls them.
const callers = 8

// ByXDS reports whether it is called below the Accept of package xds's listener, which
// encloses what it is given.
func ByXDS() bool {
	var pcs [callers]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); isAccept(f.Function) {
			return true
		}
	}
	return false
}

// grpc is where package xds is, and ofServer how the import path ends of what its
// server consists of: it has moved between 1.72 and 1.85.
const (
	grpc     = "google.golang.org/grpc/"
	ofServer = "/server"
)

func isAccept(function string) bool {
	return strings.HasPrefix(function, grpc) &&
		strings.HasSuffix(function, ofServer+".(*listenerWrapper).Accept")
}

func isConn(pkg, name string) bool {
	return name == "connWrapper" && strings.HasPrefix(pkg, grpc) && strings.HasSuffix(pkg, ofServer)
}
