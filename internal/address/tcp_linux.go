// SPDX-License-Identifier: Apache-2.0

package address

import (
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// TCP returns an address of the loopback interface at which nobody listens: who
// dials is refused. Until the end of the test nobody who asks the kernel for any
// port is given this one, while whoever names it can listen there, and again after a
// Close.
//
// A socket that is bound and never listens keeps the port. SO_REUSEADDR, which
// package net sets for listeners, too, lets others bind to it by name.
func TCP(tb testing.TB) string {
	tb.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(os.NewSyscallError("socket", err))
	}
	tb.Cleanup(func() { _ = syscall.Close(fd) })
	port, err := keep(fd)
	if err != nil {
		tb.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// keep binds a socket to a port of its own.
func keep(fd int) (port int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, os.NewSyscallError("getsockname", err)
	}
	return bound.(*syscall.SockaddrInet4).Port, nil
}
