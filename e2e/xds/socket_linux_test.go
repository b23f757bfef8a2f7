// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/tracer"
)

// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h.
const tcpUserTimeout = 0x12

// TestUserTimeout: grpc sets no TCP_USER_TIMEOUT on connections that package xds has
// accepted, so we don't.
func TestUserTimeout(t *testing.T) {
	t.Parallel()
	r := compare(t, setup{keep: true}, func(s *scene) {
		s.call("first", s.dial(), 0)
		c := <-s.lis.(keeping).conns
		raw, err := c.SyscallConn()
		if err != nil {
			s.Fatal(err)
		}
		if cerr := raw.Control(func(fd uintptr) {
			var ms int
			ms, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout)
			if ms != 0 {
				s.Errorf("TCP_USER_TIMEOUT is %d ms", ms)
			}
		}); cerr != nil || err != nil {
			s.Error(cerr, err)
		}
		s.stop()()
	})
	want(t, r, tracer.PhaseConnWait, tracer.Holder{})
}
