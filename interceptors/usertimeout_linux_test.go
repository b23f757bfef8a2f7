// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"math"
	"net"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/tracer"
)

// userTimeoutOf reads TCP_USER_TIMEOUT, in milliseconds.
func userTimeoutOf(t *testing.T, c net.Conn) int {
	t.Helper()
	socket, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	if e := socket.Control(func(fd uintptr) {
		ms, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, 0x12)
	}); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return ms
}

// TestUserTimeout pins fact 11: grpc sets TCP_USER_TIMEOUT on the types it
// knows, so a wrapped connection has to set it itself, to the same value.
func TestUserTimeout(t *testing.T) {
	secure := credentials.NewTLS(serverTLS(t))
	params := func(kp keepalive.ServerParameters) func(*tracer.Tracer) grpc.ServerOption {
		return func(tr *tracer.Tracer) grpc.ServerOption { return interceptors.KeepaliveParams(tr, kp) }
	}
	for _, tt := range []struct {
		name string
		opt  func(*tracer.Tracer) grpc.ServerOption
		tls  bool
		want int
	}{
		{"default", nil, false, 20_000},
		{"Timeout 3s", params(keepalive.ServerParameters{Timeout: 3 * time.Second}), false, 3_000},
		{"Time 1m, default Timeout", params(keepalive.ServerParameters{Time: time.Minute}), false, 20_000},
		{"keepalive off", params(keepalive.ServerParameters{Time: math.MaxInt64}), false, 0},
		{"TLS, watched", func(tr *tracer.Tracer) grpc.ServerOption {
			return grpc.Creds(interceptors.Credentials(tr, secure))
		}, true, 20_000},
		{"TLS, not watched", func(*tracer.Tracer) grpc.ServerOption {
			return grpc.Creds(secure)
		}, true, 20_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				lis := listen(t, "tcp")
				var opts []grpc.ServerOption
				if tt.opt != nil {
					opts = append(opts, tt.opt(tr))
				}
				serve(t, tr, lis, opts...)
				var creds credentials.TransportCredentials
				if tt.tls {
					creds = credentials.NewTLS(clientTLS(t))
				}
				hello(t, client(t, lis, creds))
				if got := userTimeoutOf(t, <-lis.accepted); got != tt.want {
					t.Errorf("TCP_USER_TIMEOUT is %d ms, want %d", got, tt.want)
				}
			})
		})
	}
}
