// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"net"
	"syscall"
	"time"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall
// lacks.
const tcpUserTimeout = 0x12

// setUserTimeout sets TCP_USER_TIMEOUT, which grpc sets only on a connection
// whose type is *net.TCPConn (internal/syscall.SetTCPUserTimeout). Without it a
// frozen peer's connection would last until TCP itself gives up, in minutes.
func setUserTimeout(c net.Conn, timeout time.Duration) {
	tcp, ok := c.(*net.TCPConn)
	if !ok || timeout <= 0 {
		return
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return
	}
	// Both errors mean that the connection is closed already.
	_ = socket.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout,
			int(timeout/time.Millisecond))
	})
}
