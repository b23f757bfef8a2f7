// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// Conn is a connection of a real grpc client.
type Conn struct {
	*grpc.ClientConn
	local atomic.Pointer[string]
}

// Dial makes a Conn. It connects with its first call, and again by itself.
func (t *Target) Dial() (*Conn, error) {
	c := &Conn{}
	creds := insecure.NewCredentials()
	if t.TLS != nil {
		creds = credentials.NewTLS(t.TLS)
	}
	retry := backoff.DefaultConfig
	retry.BaseDelay, retry.MaxDelay = 100*time.Millisecond, 2*time.Second
	var err error
	c.ClientConn, err = grpc.NewClient("passthrough:///"+t.Addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: retry, MinConnectTimeout: 3 * time.Second,
		}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", addr)
			if err == nil {
				local := conn.LocalAddr().String()
				c.local.Store(&local)
			}
			return conn, err
		}))
	return c, err
}

// Hello calls SayHello, which takes d.
func (c *Conn) Hello(ctx context.Context, d time.Duration) error {
	_, err := greeterv1.NewGreeterClient(c).SayHello(ctx, &greeterv1.SayHelloRequest{
		Name: "ada", Duration: durationpb.New(d),
	})
	return err
}

// Short calls SayHello as the scenario short does.
func (c *Conn) Short(ctx context.Context) error { return c.Hello(ctx, shortCall) }

// call is a client with one call.
type call struct {
	conn   *Conn
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of the call; to be read after done
}

func (c *call) LocalAddr() string {
	if local := c.conn.local.Load(); local != nil {
		return *local
	}
	return ""
}

func (c *call) Done() <-chan struct{} { return c.done }

func (c *call) Close() {
	c.cancel()
	<-c.done
	_ = c.conn.Close() // it fails only when closed twice
}

// newCall runs f on a connection of its own and returns when begun tells that
// the server is at it.
func newCall(ctx context.Context, t *Target, begun <-chan struct{},
	f func(context.Context, *Conn) error,
) (Client, error) {
	conn, err := t.Dial()
	if err != nil {
		return nil, err
	}
	c := &call{conn: conn, done: make(chan struct{})}
	var callCtx context.Context
	callCtx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer close(c.done)
		c.err = f(callCtx, conn)
	}()
	select {
	case <-begun:
		return c, nil
	case <-c.done:
		err = c.err
		if err == nil {
			err = errors.New("the call was over at once")
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.Close()
	return nil, err
}

func shortUnary(ctx context.Context, t *Target) (Client, error) { return hello(ctx, t, shortCall) }

func longUnary(ctx context.Context, t *Target) (Client, error) { return hello(ctx, t, longCall) }

// hello returns when the handler runs or, in a process that cannot see it, at
// once.
func hello(ctx context.Context, t *Target, d time.Duration) (Client, error) {
	begun := t.Begun
	if begun == nil {
		unseen := make(chan struct{})
		close(unseen)
		begun = unseen
	}
	return newCall(ctx, t, begun, func(ctx context.Context, c *Conn) error {
		return c.Hello(ctx, d)
	})
}

// chat opens a stream, talks once and then stays, until the server ends it.
func chat(ctx context.Context, t *Target) (Client, error) {
	answered := make(chan struct{})
	return newCall(ctx, t, answered, func(ctx context.Context, c *Conn) error {
		stream, err := greeterv1.NewGreeterClient(c).Chat(ctx)
		if err != nil {
			return err
		}
		if err := stream.Send(&greeterv1.ChatRequest{Text: "hello"}); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		close(answered)
		_, err = stream.Recv()
		return err
	})
}
