// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"net"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	channelzpb "google.golang.org/grpc/channelz/grpc_channelz_v1"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

// socketOf reports whether v offers its socket, and whether that works.
func socketOf(t *testing.T, v any) bool {
	t.Helper()
	sc, ok := v.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(uintptr) {}); err != nil {
		t.Error(err)
	}
	return true
}

// TestSyscallConn: listener, raw connection and the one after the handshake
// offer their socket if they do bare.
func TestSyscallConn(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				rec := listen(t, network)
				lis := interceptors.Listener(tr, rec.Listener)
				if !socketOf(t, lis) {
					t.Error("the listener has no socket")
				}
				rec.dial(t)
				if !socketOf(t, accept(t, lis)) {
					t.Error("the connection has no socket")
				}
				if !socketOf(t, shakeHands(t, tr, rec)) {
					t.Error("the connection after the handshake has no socket")
				}
			})
		})
	}
	t.Run("memory", func(t *testing.T) {
		bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
			mem := servertest.Listen()
			lis := interceptors.Listener(tr, mem)
			defer func() { _ = lis.Close() }()
			dialled := make(chan net.Conn, 1)
			go func() {
				c, _ := mem.Dial(t.Context())
				dialled <- c
			}()
			if c := accept(t, lis); socketOf(t, lis) || socketOf(t, c) {
				t.Error("a listener or a connection in memory has a socket")
			}
			_ = (<-dialled).Close()
		})
	})
}

// TestChannelz: channelz tells the same of a server's sockets, wrapped and
// bare.
func TestChannelz(t *testing.T) {
	for _, secure := range []bool{false, true} {
		name := map[bool]string{false: "plain text", true: "TLS"}[secure]
		t.Run(name, func(t *testing.T) {
			bare := channelzOf(t, nil, secure)
			wrapped := channelzOf(t, newTracer(t), secure)
			if diff := cmp.Diff(bare, wrapped); diff != "" {
				t.Errorf("channelz (-bare +wrapped):\n%s", diff)
			}
			if len(bare.Options) == 0 {
				t.Error("channelz shows no socket options, the test is blind")
			}
		})
	}
}

type channelzView struct{ Options, Listen []string }

func channelzOf(t *testing.T, tr *tracer.Tracer, secure bool) (v channelzView) {
	t.Helper()
	lis := listen(t, "tcp")
	var opts []grpc.ServerOption
	creds := insecure.NewCredentials()
	if secure {
		creds = credentials.NewTLS(clientTLS(t))
		opts = append(opts, grpc.Creds(interceptors.Credentials(tr, credentials.NewTLS(serverTLS(t)))))
	}
	served := lis.Listener // recorder hides the socket of the listener
	srv := grpc.NewServer(opts...)
	channelz.RegisterChannelzServiceToServer(srv)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(interceptors.Listener(tr, served)) }()
	defer func() { srv.Stop(); <-done }()
	cc, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	cz := channelzpb.NewChannelzClient(cc)
	servers, err := cz.GetServers(t.Context(), &channelzpb.GetServersRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range servers.GetServer() {
		sockets, err := cz.GetServerSockets(t.Context(),
			&channelzpb.GetServerSocketsRequest{ServerId: s.GetRef().GetServerId()})
		if err != nil {
			t.Fatal(err)
		}
		for _, ref := range sockets.GetSocketRef() {
			v.Options = append(v.Options, optionNames(t, cz, ref)...)
		}
		for _, ref := range s.GetListenSocket() {
			v.Listen = append(v.Listen, optionNames(t, cz, ref)...)
		}
	}
	return v
}

func optionNames(t *testing.T, cz channelzpb.ChannelzClient, ref *channelzpb.SocketRef,
) (names []string) {
	t.Helper()
	res, err := cz.GetSocket(t.Context(), &channelzpb.GetSocketRequest{SocketId: ref.GetSocketId()})
	if err != nil {
		t.Fatal(err)
	}
	if res.GetSocket().GetRemote() != nil && res.GetSocket().GetRemote().GetTcpipAddress() == nil {
		t.Errorf("the remote address is %v, not TCP", res.GetSocket().GetRemote())
	}
	for _, o := range res.GetSocket().GetData().GetOption() {
		names = append(names, o.GetName())
	}
	return names
}
