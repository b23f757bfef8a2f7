// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"errors"
	"io"
	"net"
	"syscall"

	"google.golang.org/grpc/mem"
)

// readyConn is a raw connection over a socket of the standard library. grpc-go
// from 1.81 on reads those only when they are readable, so that an idle
// connection holds no read buffer; it knows them by their type, and a wrapper
// only by this method.
type readyConn struct {
	rawSyscallConn
	socket syscall.RawConn
	read   func(fd uintptr) bool // bound once: a closure a call would allocate

	// The call in flight. grpc reads in one goroutine at a time.
	size int
	pool mem.BufferPool
	buf  *[]byte
	n    int
	err  error
}

func newReadyConn(raw *rawConn) (net.Conn, bool) {
	var sc syscall.Conn
	switch c := raw.Conn.(type) {
	case *net.TCPConn:
		sc = c
	case *net.UnixConn:
		sc = c
	default:
		return nil, false
	}
	socket, err := sc.SyscallConn()
	if err != nil {
		return nil, false
	}
	c := &readyConn{rawSyscallConn: rawSyscallConn{raw, syscallConn{sc}}, socket: socket}
	c.read = c.readSocket
	return c, true
}

// ReadOnReady implements readyReader.
func (c *readyConn) ReadOnReady(size int, pool mem.BufferPool) (*[]byte, int, error) {
	c.rec.ReadBegin()
	c.size, c.pool, c.buf, c.n, c.err = size, pool, nil, 0, nil
	err := c.socket.Read(c.read)
	buf, n := c.buf, c.n
	if err == nil {
		err = c.err
	}
	if err == nil && n <= 0 {
		err = io.EOF // read(2) returns 0 when the peer has closed
	}
	c.pool, c.buf, c.err = nil, nil, nil
	if err != nil {
		if buf != nil {
			pool.Put(buf)
		}
		c.hasRead(nil, err)
		return nil, 0, err
	}
	c.hasRead((*buf)[:n], nil)
	return buf, n, nil
}

// readSocket is called by the poller when the socket may be readable.
func (c *readyConn) readSocket(fd uintptr) (done bool) {
	c.buf = c.pool.Get(c.size)
	c.n, c.err = syscall.Read(int(fd), *c.buf)
	if c.err != nil {
		c.pool.Put(c.buf)
		c.buf = nil
	}
	return !errors.Is(c.err, syscall.EAGAIN)
}
