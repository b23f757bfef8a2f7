// SPDX-License-Identifier: Apache-2.0

package enclosed

import (
	"net"
	"testing"
)

// conn has no method that works.
type conn struct{ net.Conn }

func TestOf(t *testing.T) {
	c, other := &conn{}, &conn{}
	addr, equal := &net.TCPAddr{Port: 1}, &net.TCPAddr{Port: 1}
	if got := of(addr); got != nil {
		t.Errorf("found %v before it was made known", got)
	}
	Add(addr, c)
	if got := of(addr); got != net.Conn(c) {
		t.Errorf("found %v, want the connection", got)
	}
	if got := of(equal); got != nil {
		t.Errorf("an equal address found %v", got)
	}
	Forget(addr, other)
	if of(addr) == nil {
		t.Error("another connection's end made it forgotten")
	}
	Forget(addr, c)
	Forget(addr, c)
	if got := of(addr); got != nil {
		t.Errorf("found %v after it was forgotten", got)
	}
}

// value is an address that is equal to others.
type value struct{ net.Addr }

// TestOfNoIdentity: without an address that tells, nothing is found.
func TestOfNoIdentity(t *testing.T) {
	for _, a := range []net.Addr{nil, value{}} {
		c := &conn{}
		Add(a, c)
		if got := of(a); got != nil {
			t.Errorf("address %v found %v", a, got)
		}
		Forget(a, c)
	}
}

// TestOfOthers: a connection of another package, which may not tell its address yet,
// is not asked for it.
func TestOfOthers(t *testing.T) {
	for _, c := range []net.Conn{nil, conn{}, &conn{}, &connWrapper{}} {
		if got := Of(c); got != nil {
			t.Errorf("found %v in a %T", got, c)
		}
	}
}

// connWrapper is called as package xds's is.
type connWrapper struct{ net.Conn }

// TestNames knows package xds's own in the versions of grpc-go that are supported.
func TestNames(t *testing.T) {
	for pkg, want := range map[string]bool{
		"google.golang.org/grpc/xds/internal/server": true, // 1.72
		"google.golang.org/grpc/internal/xds/server": true, // 1.85
		"google.golang.org/grpc":                     false,
		"google.golang.org/grpc/internal/transport":  false,
		"example.com/server":                         false,
	} {
		if got := isAccept(pkg + ".(*listenerWrapper).Accept"); got != want {
			t.Errorf("the listener of %s is package xds's: %v, want %v", pkg, got, want)
		}
		if got := isConn(pkg, "connWrapper"); got != want {
			t.Errorf("the connection of %s is package xds's: %v, want %v", pkg, got, want)
		}
	}
	if ByXDS() {
		t.Error("a test is taken for package xds")
	}
}
