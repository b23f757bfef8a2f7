// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/tap"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
	"github.com/gracetrace/gracetrace/internal/stack"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// quick's handlers return at once.
type quick struct {
	greeterv1.UnimplementedGreeterServer
}

func (quick) SayHello(context.Context, *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	return &greeterv1.SayHelloResponse{}, nil
}

func (quick) Chat(greeterv1.Greeter_ChatServer) error { return nil }

// statsBlock blocks in one of a stats.Handler's methods.
type statsBlock struct {
	method string
	gate   gate
}

func (s statsBlock) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	if s.method == "TagRPC" {
		<-s.gate
	}
	return ctx
}

func (s statsBlock) HandleRPC(context.Context, stats.RPCStats) {
	if s.method == "HandleRPC" {
		<-s.gate
	}
}

func (s statsBlock) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	if s.method == "TagConn" {
		<-s.gate
	}
	return ctx
}

func (s statsBlock) HandleConn(_ context.Context, c stats.ConnStats) {
	_, end := c.(*stats.ConnEnd)
	if s.method == "HandleConn" || s.method == "ConnEnd" && end {
		<-s.gate
	}
}

// credsBlock blocks in its handshake.
type credsBlock struct {
	credentials.TransportCredentials
	gate gate
}

func (c credsBlock) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	<-c.gate
	return c.TransportCredentials.ServerHandshake(conn)
}

func (c credsBlock) Clone() credentials.TransportCredentials { return c }

// gate blocks in whatever it stands for until it is closed.
type gate chan struct{}

func (g gate) tap(ctx context.Context, _ *tap.Info) (context.Context, error) {
	<-g
	return ctx, nil
}

// tapAfter is a tap handle that says when it is called.
func (g gate) tapAfter(entered chan struct{}) tap.ServerInHandle {
	return func(ctx context.Context, i *tap.Info) (context.Context, error) {
		close(entered)
		return g.tap(ctx, i)
	}
}

func (g gate) stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	<-g
	return h(srv, ss)
}

func (g gate) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
	<-g
	return h(ctx, req)
}

func (g gate) configForClient(*tls.ClientHelloInfo) (*tls.Config, error) {
	<-g
	return nil, nil
}

// hookCase is user code that blocks until gate is closed.
type hookCase struct {
	name     string
	option   func(t *testing.T, g gate) grpc.ServerOption
	creds    credentials.TransportCredentials // the client's
	want     stack.HookKind
	function string // the end of its name
	direct   bool   // registered with grpc's own server
	stream   bool
}

var hookCases = []hookCase{
	statsCase("TagConn"), statsCase("HandleConn"),
	statsCase("TagRPC"), statsCase("HandleRPC"),
	{
		name: "tap handle", want: stack.HookTap, function: "gate.tap",
		option: func(_ *testing.T, g gate) grpc.ServerOption { return grpc.InTapHandle(g.tap) },
	},
	{
		name: "credentials", want: stack.HookCredentials, function: "credsBlock.ServerHandshake",
		option: func(_ *testing.T, g gate) grpc.ServerOption {
			return grpc.Creds(credsBlock{insecure.NewCredentials(), g})
		},
	},
	{
		name: "tls callback", want: stack.HookCallback, function: "gate.configForClient",
		creds:  credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
		option: callbackOption,
	},
	{
		name: "stream interceptor", want: stack.HookInterceptor, function: "gate.stream", stream: true,
		option: func(_ *testing.T, g gate) grpc.ServerOption { return grpc.StreamInterceptor(g.stream) },
	},
	{
		name: "unary interceptor", want: stack.HookInterceptor, function: "gate.unary", direct: true,
		option: func(_ *testing.T, g gate) grpc.ServerOption { return grpc.UnaryInterceptor(g.unary) },
	},
}

func callbackOption(t *testing.T, g gate) grpc.ServerOption {
	t.Helper()
	forServer, _, err := selfsigned.Config()
	if err != nil {
		t.Fatal(err)
	}
	forServer.GetConfigForClient = g.configForClient
	return grpc.Creds(credentials.NewTLS(forServer))
}

func statsCase(name string) hookCase {
	return hookCase{
		name: "stats handler " + name, want: stack.HookStats, function: "statsBlock." + name,
		option: func(_ *testing.T, g gate) grpc.ServerOption {
			return grpc.StatsHandler(statsBlock{name, g})
		},
	}
}

// TestHooks: user code that grpc waits for is told from a handler, and named.
func TestHooks(t *testing.T) {
	for _, tt := range hookCases {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(t) })
		})
	}
}

func (tt hookCase) run(t *testing.T) {
	g := make(gate)
	b := serveAs(t, quick{}, tt.direct, tt.option(t, g))
	c := b.client(tt.creds)
	other := serveAs(t, quick{}, tt.direct, tt.option(t, g)) // whose hooks are none of ours
	for _, c := range []greeterv1.GreeterClient{c, other.client(tt.creds)} {
		if tt.stream {
			if _, err := c.Chat(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			b.call(c)
		}
	}
	r := b.read()
	if one := b.readOf(""); len(one.Hooks) != 0 {
		t.Errorf("hooks of one of two servers, whose is not known: %v", one.Hooks)
	}
	close(g)
	if len(r.Hooks) != 1 {
		t.Fatalf("%d hooks, want 1: %v", len(r.Hooks), r.Hooks)
	}
	h := r.Hooks[0]
	if h.Kind != tt.want || !strings.HasSuffix(h.Function, tt.function) ||
		!strings.HasPrefix(h.Source, "hook_test.go:") {
		t.Errorf("%s at %s %s; want %s at ...%s:\n%s",
			h.Kind, h.Function, h.Source, tt.want, tt.function, h.Text)
	}
	b.wantNone(t)
}

// wantNone: when the user's code has returned, nothing is told of it.
func (b *bench) wantNone(t *testing.T) {
	t.Helper()
	wantNoHooks(t, b.read())
}

// TestConnEnd: a stats handler that blocks when its connection is gone holds the
// stop, which waits for connections (fact 48).
func TestConnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate)
		b := serve(t, quick{}, grpc.StatsHandler(statsBlock{"ConnEnd", g}))
		b.call(b.client(nil))
		synctest.Wait()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			b.srv.GracefulStop()
		}()
		<-time.After(2 * time.Second) // the linger
		r := b.read()
		if one := b.readOf(""); len(one.Hooks) != 1 || one.Stop != r.Stop {
			t.Errorf("of the only server: hooks %v, stop in %q", one.Hooks, one.Stop)
		}
		close(g)
		<-stopped
		if len(r.Hooks) != 1 || r.Hooks[0].Kind != stack.HookStats || r.Stop != stack.StopInCond {
			t.Errorf("hooks %v, stop in %q; want a stats handler, stop in %q", r.Hooks, r.Stop, stack.StopInCond)
		}
	})
}
