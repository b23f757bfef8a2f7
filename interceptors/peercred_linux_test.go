// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/credentials/local"
	"google.golang.org/grpc/peer"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/tracer"
)

// peerCredentials ask the kernel who is on the other end of a unix socket, as
// containerd's do: they assert the connection's type.
type peerCredentials struct {
	credentials.TransportCredentials
}

type peerInfo struct{ PID int32 }

func (peerInfo) AuthType() string { return "peercred" }

func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "peercred"}
}

func (peerCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return nil, nil, fmt.Errorf("not a unix socket but a %T", c)
	}
	raw, err := unix.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var cred *syscall.Ucred
	var e error
	err = raw.Control(func(fd uintptr) {
		cred, e = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err = errors.Join(err, e); err != nil {
		return nil, nil, err
	}
	return c, peerInfo{cred.Pid}, nil
}

// TestCredentialsThatLook pins fact 52: credentials that look at the connection
// find what they find bare.
func TestCredentialsThatLook(t *testing.T) {
	for _, tt := range []struct {
		name, network  string
		server, client credentials.TransportCredentials
		want           string
	}{
		{"SO_PEERCRED", "unix", peerCredentials{insecure.NewCredentials()}, insecure.NewCredentials(),
			fmt.Sprintf("{%d}", os.Getpid())},
		{"local, unix", "unix", local.NewCredentials(), local.NewCredentials(), "{{PrivacyAndIntegrity}}"},
		{"local, tcp", "tcp", local.NewCredentials(), local.NewCredentials(), "{{NoSecurity}}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				var got string
				lis := listen(t, tt.network)
				serve(t, tr, lis, grpc.Creds(interceptors.Credentials(tr, tt.server)),
					grpc.UnaryInterceptor(func(ctx context.Context, req any,
						_ *grpc.UnaryServerInfo, h grpc.UnaryHandler,
					) (any, error) {
						p, _ := peer.FromContext(ctx)
						got = fmt.Sprint(p.AuthInfo)
						return h(ctx, req)
					}))
				hello(t, client(t, lis, tt.client))
				if got != tt.want {
					t.Errorf("AuthInfo is %s, want %s", got, tt.want)
				}
			})
		})
	}
}
