// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// stubborn greets as the demo does, but two of its handlers hold a shutdown for
// ever: until end is closed.
type stubborn struct {
	greeter.Server
	srv *server.Server
	end chan struct{}
}

// Names whose callers get more than a greeting.
const (
	neverEnds = "never ends" // its handler looks at nothing
	stopsIt   = "stops it"   // its handler shuts the server down
)

func (s *stubborn) SayHello(ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	switch req.GetName() {
	case neverEnds:
		<-s.end
		return nil, io.EOF
	case stopsIt:
		return nil, s.srv.Shutdown(context.Background())
	}
	return s.Server.SayHello(ctx, req)
}

type dialer = servertest.DialFunc

// peerKind is a kind of client.
type peerKind struct {
	name    string
	tcp     bool // it needs a kernel's buffers
	orphans bool // its handler outlives the forced stop
	bad     func(context.Context, servertest.DialFunc) (servertest.Peer, error)
	good    func(context.Context, greeterv1.GreeterClient)
}

var peerKinds = []peerKind{
	{name: "silent", bad: asPeer(servertest.Silent)},
	{name: "half TLS", bad: asPeer(servertest.HalfTLS)},
	{name: "half a preface", bad: asPeer(servertest.HalfPreface)},
	{name: "mute", bad: calling(servertest.Mute, callFor(time.Hour))},
	{name: "lingering", bad: calling(servertest.Linger, callFor(10*time.Millisecond))},
	{name: "no message", bad: func(ctx context.Context, dial dialer) (servertest.Peer, error) {
		return servertest.NoMessage(ctx, dial, sayHello)
	}},
	{name: "slow reader", bad: func(ctx context.Context, dial dialer) (servertest.Peer, error) {
		return servertest.SlowReader(ctx, dial, flood(1<<10), 0)
	}},
	{name: "frozen", tcp: true, bad: func(ctx context.Context, d dialer) (servertest.Peer, error) {
		return servertest.Frozen(ctx, d, flood(1<<20))
	}},
	{name: "healthy", good: greeting("ada", time.Hour)},
	{name: "short", good: greeting("ada", 100*time.Millisecond)},
	{name: "orphan", orphans: true, good: greeting(neverEnds, 0)},
	{name: "stops the server", orphans: true, good: greeting(stopsIt, 0)},
	{name: "watch", good: func(ctx context.Context, c greeterv1.GreeterClient) {
		req := &greeterv1.WatchRequest{Interval: durationpb.New(time.Second)}
		if w, err := c.Watch(ctx, req); err == nil {
			for err == nil {
				_, err = w.Recv()
			}
		}
	}},
	{name: "chat", good: func(ctx context.Context, c greeterv1.GreeterClient) {
		if chat, err := c.Chat(ctx); err == nil {
			_ = chat.Send(&greeterv1.ChatRequest{Text: "hello"}) // Recv tells
			for err == nil {
				_, err = chat.Recv()
			}
		}
	}},
}

func asPeer[P servertest.Peer](connect func(context.Context, dialer) (P, error),
) func(context.Context, dialer) (servertest.Peer, error) {
	return func(ctx context.Context, dial servertest.DialFunc) (servertest.Peer, error) {
		return connect(ctx, dial)
	}
}

func calling(
	connect func(context.Context, servertest.DialFunc, ...servertest.Call) (*servertest.Client, error),
	call servertest.Call,
) func(context.Context, servertest.DialFunc) (servertest.Peer, error) {
	return func(ctx context.Context, dial servertest.DialFunc) (servertest.Peer, error) {
		return connect(ctx, dial, call)
	}
}

func callFor(d time.Duration) servertest.Call {
	return withMessage(greeterv1.Greeter_SayHello_FullMethodName,
		&greeterv1.SayHelloRequest{Duration: durationpb.New(d)})
}

// flood fills any window, or a socket's buffers.
func flood(payload int32) servertest.Call {
	return withMessage(greeterv1.Greeter_Watch_FullMethodName, &greeterv1.WatchRequest{
		Name: strings.Repeat("a", 100), Interval: durationpb.New(time.Millisecond), PayloadBytes: payload,
	})
}

func withMessage(method string, m proto.Message) servertest.Call {
	msg, err := proto.Marshal(m)
	if err != nil {
		panic(err) // a message of ours
	}
	return servertest.Call{Method: method, Message: msg}
}

func greeting(name string, d time.Duration) func(context.Context, greeterv1.GreeterClient) {
	return func(ctx context.Context, c greeterv1.GreeterClient) {
		// What it answers is for other tests.
		_, _ = c.SayHello(ctx, &greeterv1.SayHelloRequest{Name: name, Duration: durationpb.New(d)})
	}
}

// crowd is all clients of a server.
type crowd struct {
	ctx  context.Context //nolint:containedctx // of the calls
	dial servertest.DialFunc
	all  sync.WaitGroup
}

// join brings a client. It may hang, or be refused: that is what the mix is about.
func (c *crowd) join(p *peerKind) {
	c.all.Go(func() {
		if p.bad != nil {
			peer, err := p.bad(c.ctx, c.dial)
			if err != nil {
				return
			}
			<-c.ctx.Done()
			_ = peer.Close()
			return
		}
		conn, err := grpc.NewClient("passthrough:///greeter",
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				return c.dial(ctx)
			}),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			panic(err) // options of ours
		}
		p.good(c.ctx, greeterv1.NewGreeterClient(conn))
		_ = conn.Close()
	})
}

// leave waits until all have gone.
func (c *crowd) leave() { c.all.Wait() }
