// SPDX-License-Identifier: Apache-2.0

package scenario

import (
	"context"
	"errors"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// slowPayload is what one greeting of a Watch carries: a few of them use up the
// flow-control window and what grpc-go buffers beyond it.
const slowPayload = 32 << 10

// peer is a servertest.Peer as a Client.
type peer struct{ servertest.Peer }

func (p peer) LocalAddr() string { return p.Peer.LocalAddr().String() }

func (p peer) Close() { _ = p.Peer.Close() } // what it did wrong was its purpose

func (t *Target) dial() servertest.DialFunc {
	dial := servertest.DialTCP(t.Addr)
	if t.TLS != nil {
		dial = servertest.DialTLS(dial, t.TLS)
	}
	return dial
}

var errServerClosed = errors.New("the server closed the connection")

// await returns p when it has reached its state.
func await(ctx context.Context, p servertest.Peer, err error) (Client, error) {
	if err != nil {
		return nil, err
	}
	select {
	case <-p.Ready():
		return peer{p}, nil
	case <-p.Done():
		err = errServerClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = p.Close()
	return nil, err
}

func slowReader(ctx context.Context, t *Target) (Client, error) {
	msg, err := proto.Marshal(&greeterv1.WatchRequest{
		Name: "ada", Interval: durationpb.New(time.Millisecond), PayloadBytes: slowPayload,
	})
	if err != nil {
		return nil, err
	}
	p, err := servertest.SlowReader(ctx, t.dial(), servertest.Call{
		Method: greeterv1.Greeter_Watch_FullMethodName, Message: msg,
	}, 0)
	return await(ctx, p, err)
}

// vanisher opens an RPC whose handler ignores its context, and goes when it
// runs.
func vanisher(ctx context.Context, t *Target) (Client, error) {
	msg, err := proto.Marshal(&greeterv1.SayHelloRequest{
		Name: "ada", Duration: durationpb.New(t.Orphan), IgnoreCancel: true,
	})
	if err != nil {
		return nil, err
	}
	started := make(chan struct{})
	p, err := servertest.Vanisher(ctx, t.dial(), servertest.Call{
		Method: greeterv1.Greeter_SayHello_FullMethodName, Message: msg,
	}, started)
	if err != nil {
		return nil, err
	}
	begun := t.Begun
	if begun == nil {
		// The server has taken the stream; that its handler runs is likely.
		if begun, err = p.Sync(); err != nil {
			return nil, errors.Join(err, p.Close())
		}
	}
	select {
	case <-begun:
		close(started)
		select {
		case <-p.Ready():
			return peer{p}, nil
		case <-ctx.Done(): // the server was first
			err = ctx.Err()
		}
	case <-p.Done():
		err = errServerClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, p.Close())
}

// silent connects and is silent from there on: before HTTP/2 or, with TLS, after
// the TLS handshake.
func silent(ctx context.Context, t *Target) (Client, error) {
	if t.TLS != nil {
		p, err := servertest.NoPreface(ctx, servertest.DialTCP(t.Addr), t.TLS)
		return await(ctx, p, err)
	}
	p, err := servertest.Silent(ctx, servertest.DialTCP(t.Addr))
	if err != nil {
		return nil, err
	}
	// Nothing tells it that the server has accepted it, but connections are
	// accepted one after the other.
	if err := t.Knock(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return await(ctx, p, nil)
}

func mute(ctx context.Context, t *Target) (Client, error) {
	p, err := servertest.Mute(ctx, t.dial())
	return await(ctx, p, err)
}

// Knock returns when the server accepts connections, this one and all before.
func (t *Target) Knock(ctx context.Context) error {
	p, err := servertest.Connect(ctx, t.dial(), servertest.Obedient())
	c, err := await(ctx, p, err)
	if err != nil {
		return err
	}
	c.Close()
	return nil
}
