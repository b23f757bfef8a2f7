// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// telling is a server on which there is something to withhold of every kind of
// holder. Its functions are named after what a stack would tell, and its methods
// after nothing that a function is called.
type telling struct {
	srv  *server.Server
	open chan struct{} // lets go of handlers that ignore their contexts
	old  bool          // grpc-go is older than 1.85
}

// desc has methods that stay in Recv, that ignore their context, that panic in the
// drain, and one that an interceptor of the application's keeps.
func (f *telling) desc() *grpc.ServiceDesc {
	stream := func(name string, h grpc.StreamHandler) grpc.StreamDesc {
		return grpc.StreamDesc{StreamName: name, Handler: h, ServerStreams: true, ClientStreams: true}
	}
	return &grpc.ServiceDesc{
		ServiceName: "acme.vault.v1.Vault",
		Streams: []grpc.StreamDesc{
			stream("Unlock", f.toldInRecv), stream("Seal", f.toldDeaf), stream("Break", f.toldPanic),
			stream("Gate", f.toldInRecv),
		},
	}
}

//go:noinline
func (*telling) toldInRecv(_ any, ss grpc.ServerStream) error {
	for {
		if err := ss.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
	}
}

//go:noinline
func (f *telling) toldDeaf(_ any, ss grpc.ServerStream) error {
	<-f.deaf(ss)
	return nil
}

// deaf is closed when a handler may return. Up to grpc-go 1.84 none may outlive a
// forced stop: GracefulStop keeps the server's lock while handlers run, and a Stop
// that waits for that mutex stops the bubble's clock.
func (f *telling) deaf(ss grpc.ServerStream) <-chan struct{} {
	if f.old {
		return ss.Context().Done()
	}
	return f.open
}

// toldPanic panics between two checkpoints.
//
//go:noinline
func (f *telling) toldPanic(any, grpc.ServerStream) error {
	<-f.srv.Draining()
	<-time.After(2500 * time.Millisecond)
	panic("a value that nobody needs: panicValue")
}

// toldAround is an interceptor outside of ours.
//
//go:noinline
func (f *telling) toldAround(
	srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler,
) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("recovered")
		}
	}()
	if strings.HasSuffix(info.FullMethod, "/Gate") {
		<-f.deaf(ss)
	}
	return h(srv, ss)
}

// tellingListener has peers that nothing else is called like.
type tellingListener struct{ *servertest.Listener }

type tellingConn struct {
	net.Conn
	peer *net.TCPAddr
}

func (c *tellingConn) RemoteAddr() net.Addr { return c.peer }

func (l tellingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	was := c.RemoteAddr().(*net.TCPAddr)
	return &tellingConn{c, &net.TCPAddr{IP: net.IPv4(203, 0, 113, was.IP.To4()[3]), Port: was.Port}}, nil
}

// clients are one of each kind.
func (f *telling) clients(t *testing.T, lis *servertest.Listener) {
	t.Helper()
	ctx := t.Context()
	keep := func(c interface{ Close() error }, err error) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	call := func(method string, md ...string) servertest.Call {
		return servertest.Call{
			Method: method, KeepOpen: true,
			Metadata: metadata.Join(metadata.Pairs("user-agent", "agent-of-ann/7"), metadata.Pairs(md...)),
		}
	}
	silent, err := servertest.Silent(ctx, lis.Dial)
	keep(silent, err)
	mute, err := servertest.Mute(ctx, lis.Dial)
	keep(mute, err)
	linger, err := servertest.Linger(ctx, lis.Dial, call("/acme.vault.v1.Vault/Break"))
	keep(linger, err)
	gone := make(chan struct{})
	vanisher, err := servertest.Vanisher(ctx, lis.Dial, call("/acme.vault.v1.Vault/Seal"), gone)
	keep(vanisher, err)
	for _, c := range []servertest.Call{
		call("/acme.vault.v1.Vault/Unlock", "x-forwarded-for", "198.51.100.99"),
		call("/acme.vault.v1.Vault/Unlock", "l5d-client-id", "carol.serviceaccount"),
		call("/acme.vault.v1.Vault/Seal", "x-forwarded-client-cert", "By=spiffe://acme/bob"),
		call("/acme.vault.v1.Vault/Gate"),
		call("/acme.hidden.v2.Probe/Peek"),
	} {
		client, err := servertest.Connect(ctx, lis.Dial, servertest.Obedient())
		keep(client, err)
		if _, err := client.Open(c); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Wait()
	close(gone)
	<-vanisher.Ready()
	synctest.Wait()
}

// group starts a grpc server and a web server, each with clients that hold it.
func (f *telling) group(t *testing.T, tr *tracer.Tracer) *server.Group {
	t.Helper()
	f.open, f.old = make(chan struct{}), grpcBefore(t, 85)
	f.srv = server.New(tr, grpc.StreamInterceptor(f.toldAround), grpc.UnknownServiceHandler(f.toldInRecv))
	f.srv.RegisterService(f.desc(), nil)
	api, web := servertest.Listen(), servertest.Listen()
	g := server.NewGroup(tr, server.GracePeriod(20*time.Second))
	g.Add(server.Member{Name: "api", Server: f.srv, Listeners: listeners(tellingListener{api})})
	g.Add(server.Member{
		Name: "web", HTTP: &http.Server{Handler: &site{}}, Listeners: listeners(tellingListener{web}),
	})
	start(t, g)
	f.clients(t, api)
	request(t, web, "30s")
	synctest.Wait()
	return g
}

// stop stops the group in the middle of which during is called, and lets the
// handlers that outlived it go between their checkpoints.
func (f *telling) stop(ctx context.Context, g *server.Group, during func()) error {
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop(ctx) }()
	time.Sleep(7 * time.Second)
	during()
	err := <-stopped
	time.Sleep(1500 * time.Millisecond)
	close(f.open)
	time.Sleep(2500 * time.Millisecond)
	return err
}
