// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	"github.com/gracetrace/gracetrace/interceptors"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// headerListener is a listener as those for the PROXY protocol are: who the client
// is, that stands in the first line it sends, and RemoteAddr waits for it.
type headerListener struct{ net.Listener }

func (l headerListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &headerConn{Conn: c, r: bufio.NewReader(c)}, nil
}

type headerConn struct {
	net.Conn
	r    *bufio.Reader
	once sync.Once
	addr net.Addr
}

func (c *headerConn) header() {
	c.once.Do(func() {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.addr = c.Conn.RemoteAddr()
			return
		}
		c.addr = &net.TCPAddr{IP: net.ParseIP(line[:len(line)-1]), Port: 1}
	})
}

func (c *headerConn) Read(p []byte) (int, error) { c.header(); return c.r.Read(p) }
func (c *headerConn) Write(p []byte) (int, error) {
	c.header()
	return c.Conn.Write(p)
}
func (c *headerConn) RemoteAddr() net.Addr { c.header(); return c.addr }
func (c *headerConn) LocalAddr() net.Addr  { c.header(); return c.Conn.LocalAddr() }

// throughProxy connects to a headerListener as a proxy does, for the client at from.
func throughProxy(t *testing.T, lis net.Listener, from string, creds credentials.TransportCredentials,
) greeterv1.GreeterClient {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:x", grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", lis.Addr().String())
			if err == nil {
				_, err = io.WriteString(c, from+"\n")
			}
			return c, err
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return greeterv1.NewGreeterClient(cc)
}

// TestPeerThatMustBeReadFirst: a listener for the PROXY protocol knows a peer when
// that has sent its header. One that sends none keeps no other client waiting, not
// even in a stop, and an RPC has the address from the header, which identifies its
// connection.
func TestPeerThatMustBeReadFirst(t *testing.T) {
	for name, creds := range map[string]struct {
		server, client credentials.TransportCredentials
	}{
		"plain":       {nil, insecure.NewCredentials()},
		"credentials": {insecure.NewCredentials(), insecure.NewCredentials()},
		"TLS":         {credentials.NewTLS(serverTLS(t)), credentials.NewTLS(clientTLS(t))},
	} {
		t.Run(name, func(t *testing.T) {
			bothWays(t, func(t *testing.T, tr *tracer.Tracer) {
				var got *peer.Peer
				lis := listen(t, "tcp")
				opts := []grpc.ServerOption{grpc.UnaryInterceptor(func(ctx context.Context, req any,
					_ *grpc.UnaryServerInfo, h grpc.UnaryHandler,
				) (any, error) {
					got, _ = peer.FromContext(ctx)
					return h(ctx, req)
				})}
				if creds.server != nil {
					opts = append(opts, grpc.Creds(interceptors.Credentials(tr, creds.server)))
				}
				serve(t, tr, headerListener{lis}, opts...)
				silent := lis.dial(t)
				<-lis.accepted
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, err := throughProxy(t, lis, "10.1.2.3", creds.client).
					SayHello(ctx, &greeterv1.SayHelloRequest{Name: "x"})
				if err != nil {
					t.Fatalf("beside a silent client: %v", err)
				}
				if got.Addr.String() != "10.1.2.3:1" {
					t.Errorf("the peer is %s, want that of the header", got.Addr)
				}
				if tr != nil && knownConns(tr, got.Addr) != 1 {
					t.Error("the RPC's address identifies no connection")
				}
				_ = silent.Close()
			})
		})
	}
}

// TestPeersAreAskedInAStop: of a connection that did not have to say who its peer is
// that is asked when the server stops, and a stop does not wait for the answer.
func TestPeersAreAskedInAStop(t *testing.T) {
	tr := newTracer(t)
	lis := listen(t, "tcp")
	watched := interceptors.Listener(tr, headerListener{lis})
	silent, tells := lis.dial(t), lis.dial(t)
	a, b := accept(t, watched), accept(t, watched)
	if _, err := io.WriteString(tells, "10.1.2.3\n"); err != nil {
		t.Fatal(err)
	}
	s, ok := tr.BeginShutdown(tracer.Call{Graceful: true})
	if !ok {
		t.Fatal("no shutdown")
	}
	if known := identified(t, tr); known.String() != "10.1.2.3:1" {
		t.Errorf("the peer is %s, want that of the header", known)
	}
	_, _ = a.Close(), b.Close()
	_ = silent.Close()
	_ = watched.Close()
	if _, err := watched.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	s.Returned()
	s.Finish(t.Context())
}

// identified waits until one of the connections has told who its peer is.
func identified(t *testing.T, tr *tracer.Tracer) net.Addr {
	t.Helper()
	poll, limit := time.NewTicker(time.Millisecond), time.After(10*time.Second)
	defer poll.Stop()
	for {
		for _, c := range tr.Table().Snapshot().Conns {
			if c.Addr != nil {
				return c.Addr
			}
		}
		select {
		case <-poll.C:
		case <-limit:
			t.Fatal("no peer is known")
		}
	}
}
