// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// A blameless is a shutdown in which the one who is easily blamed is not at fault.
type blameless struct {
	name string
	// option of the server, with user code that waits for gate.
	option func(tr *tracer.Tracer, gate chan struct{}) grpc.ServerOption
	// clients come before the stop.
	clients func(t *testing.T, lis *servertest.Listener)
	says    string // in the verdict, at the checkpoint with the stacks
	not     string // not in it
}

// slowStats blocks the one connection that it is told of first.
type slowStats struct{ gate chan struct{} }

func (s slowStats) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	<-s.gate
	return ctx
}
func (slowStats) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (slowStats) HandleRPC(context.Context, stats.RPCStats)                       {}
func (slowStats) HandleConn(context.Context, stats.ConnStats)                     {}

// hello is a protocol of somebody's own, in which the client speaks first.
type helloFirst struct {
	credentials.TransportCredentials
}

func (c helloFirst) Clone() credentials.TransportCredentials { return c }

func (c helloFirst) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return nil, nil, err
	}
	return c.TransportCredentials.ServerHandshake(conn)
}

// greet makes a call on a connection of its own, or of cc.
func greet(t *testing.T, lis *servertest.Listener) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func silent(t *testing.T, lis *servertest.Listener) {
	t.Helper()
	p, err := servertest.Silent(t.Context(), lis.Dial)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	<-p.Ready()
}

var blamelessCases = []blameless{
	{
		name: "a stats handler blocks a connection, and a port scan the handshakes",
		option: func(_ *tracer.Tracer, gate chan struct{}) grpc.ServerOption {
			return grpc.StatsHandler(slowStats{gate})
		},
		clients: func(t *testing.T, lis *servertest.Listener) {
			t.Helper()
			greet(t, lis).Connect()
			synctest.Wait()
			silent(t, lis)
		},
		says: "0 bytes read", not: "inside user code",
	}, {
		name: "a peer of credentials that are given the bare connection says nothing",
		option: func(tr *tracer.Tracer, _ chan struct{}) grpc.ServerOption {
			return grpc.Creds(interceptors.Credentials(tr, helloFirst{insecure.NewCredentials()}))
		},
		clients: silent,
		says:    "inside the credentials' handshake, its reads were not seen", not: "inside user code",
	}, {
		name: "an interceptor keeps a stream, whose connection had an RPC that has ended",
		option: func(_ *tracer.Tracer, gate chan struct{}) grpc.ServerOption {
			return grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream,
				_ *grpc.StreamServerInfo, handler grpc.StreamHandler,
			) error {
				<-gate
				return handler(srv, ss)
			})
		},
		clients: func(t *testing.T, lis *servertest.Listener) {
			t.Helper()
			cc := greet(t, lis)
			c := greeterv1.NewGreeterClient(cc)
			ctx, cancel := context.WithCancel(t.Context())
			t.Cleanup(cancel)
			if _, err := c.Chat(ctx); err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = c.SayHello(ctx, &greeterv1.SayHelloRequest{Duration: durationpb.New(time.Second)})
			}()
		},
		says: "outer interceptor", not: "does not read",
	},
}

// TestBlameless: the verdict says of each what it is, and blames no other.
func TestBlameless(t *testing.T) {
	for _, tt := range blamelessCases {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(t) })
		})
	}
}

func (tt blameless) run(t *testing.T) {
	gate := make(chan struct{})
	var r *tracer.Report
	tr := newTracer(t, tracer.WithReport(func(made *tracer.Report) { r = made }))
	s := server.New(tr, tt.option(tr, gate))
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	lis := servertest.Listen()
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	tt.clients(t, lis)
	synctest.Wait()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.GracefulStop()
	}()
	<-time.After(5 * time.Second)
	close(gate)
	s.Stop()
	<-stopped
	<-served
	last := r.Checkpoints[len(r.Checkpoints)-1]
	if last.Offset != tracer.Duration(3*time.Second) || !strings.Contains(last.Verdict, tt.says) ||
		strings.Contains(last.Verdict, tt.not) {
		t.Errorf("after %s it says\n%s\nwant %q, and not %q", last.Offset, last.Verdict, tt.says, tt.not)
	}
}
