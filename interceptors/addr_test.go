// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

// addressTypes are the types that an application may assert.
type addressTypes struct{ Listener, Local, Remote string }

// TestAddressTypes: addresses keep their types, and RemoteAddr is the same
// pointer at each call: that tells which connection an RPC is on (fact 53).
func TestAddressTypes(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			want := addressTypes{"*net.TCPAddr", "*net.TCPAddr", "*net.TCPAddr"}
			if network == "unix" {
				want = addressTypes{"*net.UnixAddr", "*net.UnixAddr", "*net.UnixAddr"}
			}
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				rec := listen(t, network)
				lis := interceptors.Listener(tr, rec)
				rec.dial(t)
				for _, c := range []net.Conn{accept(t, lis), shakeHands(t, tr, rec)} {
					got := addressTypes{typeOf(lis.Addr()), typeOf(c.LocalAddr()), typeOf(c.RemoteAddr())}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("types of %T (-want +got):\n%s", c, diff)
					}
					if c.RemoteAddr() != c.RemoteAddr() {
						t.Error("RemoteAddr is another pointer at each call")
					}
				}
			})
		})
	}
}

func typeOf(v any) string { return fmt.Sprintf("%T", v) }

// TestPeerAddress: what a handler finds in its context has the type it has
// bare, and identifies the connection.
func TestPeerAddress(t *testing.T) {
	for _, tt := range []struct {
		network string
		tls     bool
		want    string
	}{
		{"tcp", false, "*net.TCPAddr"}, {"tcp", true, "*net.TCPAddr"}, {"unix", false, "*net.UnixAddr"},
	} {
		t.Run(fmt.Sprintf("%s, TLS %t", tt.network, tt.tls), func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				var got *peer.Peer
				lis := listen(t, tt.network)
				opts := []grpc.ServerOption{grpc.UnaryInterceptor(func(ctx context.Context, req any,
					_ *grpc.UnaryServerInfo, h grpc.UnaryHandler,
				) (any, error) {
					got, _ = peer.FromContext(ctx)
					if tr != nil && knownConns(tr, got.Addr) != 1 {
						t.Error("the RPC's address identifies no connection")
					}
					return h(ctx, req)
				})}
				var creds credentials.TransportCredentials
				if tt.tls {
					opts = append(opts, grpc.Creds(
						interceptors.Credentials(tr, credentials.NewTLS(serverTLS(t)))))
					creds = credentials.NewTLS(clientTLS(t))
				}
				serve(t, tr, lis, opts...)
				hello(t, client(t, lis, creds))
				if typeOf(got.Addr) != tt.want || typeOf(got.LocalAddr) != tt.want {
					t.Errorf("peer is %T, local %T, want %s", got.Addr, got.LocalAddr, tt.want)
				}
				if _, ok := got.AuthInfo.(credentials.TLSInfo); ok != tt.tls {
					t.Errorf("AuthInfo is %T", got.AuthInfo)
				}
			})
		})
	}
}

// knownConns counts the connections whose address is the very pointer a.
func knownConns(tr *tracer.Tracer, a net.Addr) (n int) {
	for _, c := range tr.Table().Snapshot().Conns {
		if c.Addr == a {
			n++
		}
	}
	return n
}

// TestAddressIdentity: connections in memory have equal addresses that are
// values; wrapped, each has its own.
func TestAddressIdentity(t *testing.T) {
	tr := newTracer(t)
	mem := servertest.Listen()
	lis := interceptors.Listener(tr, valueAddrs{mem})
	defer func() { _ = lis.Close() }()
	var addrs []net.Addr
	for range 2 {
		dialled := make(chan net.Conn, 1)
		go func() {
			c, _ := mem.Dial(t.Context())
			dialled <- c
		}()
		c := accept(t, lis)
		addrs = append(addrs, c.RemoteAddr())
		if n := knownConns(tr, c.RemoteAddr()); n != 1 {
			t.Errorf("the address identifies %d connections", n)
		}
		if got := c.RemoteAddr().String(); got != "everyone" {
			t.Errorf("the address is %q", got)
		}
		_ = (<-dialled).Close()
	}
	if addrs[0] == addrs[1] {
		t.Error("two connections have the same address")
	}
}

type valueAddrs struct{ net.Listener }

func (l valueAddrs) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return valueAddrConn{c}, err
}

type valueAddrConn struct{ net.Conn }

func (valueAddrConn) RemoteAddr() net.Addr { return valueAddr{} }

type valueAddr struct{}

func (valueAddr) Network() string { return "memory" }
func (valueAddr) String() string  { return "everyone" }
