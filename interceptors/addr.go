// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"crypto/tls"
	"go/token"
	"net"
	"reflect"
)

// addr gives an address that is a value an identity of its own.
type addr struct{ net.Addr }

// identity returns an address that tells one connection from another: a
// pointer. The standard library's addresses are pointers, made anew for each
// connection, and are returned as they are: applications assert their types.
// So are values of exported types, which then have no identity. A value of an
// unexported type (bufconn's, net.Pipe's) cannot be asserted and is wrapped.
func identity(a net.Addr) net.Addr {
	if a == nil {
		return &addr{noAddr{}}
	}
	t := reflect.TypeOf(a)
	if t.Kind() == reflect.Pointer || token.IsExported(t.Name()) {
		return a
	}
	return &addr{a}
}

// tellsAddr reports whether c says at once who its peer is. One of the
// application's own may have to read that first: a listener's that speaks the PROXY
// protocol waits for its client to begin. grpc asks it in the handshake, under the
// handshake's deadline; in Accept all other clients would wait as well.
func tellsAddr(c net.Conn) bool {
	if t, ok := c.(*tls.Conn); ok {
		return tellsAddr(t.NetConn())
	}
	t := reflect.TypeOf(c)
	if t == nil || t.Kind() != reflect.Pointer {
		return false
	}
	path := t.Elem().PkgPath()
	return path == "net" || path == bufconnPath
}

// same reports whether a and b are the same pointer.
func same(a, b net.Addr) bool {
	return a != nil && b != nil &&
		reflect.TypeOf(a).Kind() == reflect.Pointer && reflect.TypeOf(a) == reflect.TypeOf(b) && a == b
}

// noAddr stands for a connection that has no remote address.
type noAddr struct{}

func (noAddr) Network() string { return "unknown" }
func (noAddr) String() string  { return "unknown" }
