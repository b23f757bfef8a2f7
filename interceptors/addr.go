// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
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

// same reports whether a and b are the same pointer.
func same(a, b net.Addr) bool {
	return a != nil && b != nil &&
		reflect.TypeOf(a).Kind() == reflect.Pointer && reflect.TypeOf(a) == reflect.TypeOf(b) && a == b
}

// noAddr stands for a connection that has no remote address.
type noAddr struct{}

func (noAddr) Network() string { return "unknown" }
func (noAddr) String() string  { return "unknown" }
