// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"net"
)

// frozenBuffer keeps the kernel from taking megabytes for a peer that does not
// read.
const frozenBuffer = 4 << 10

// Frozen opens the server stream that call describes, reads up to its first
// message and then never reads from the socket again, as a stopped process
// does (scenario U11). Its flow-control windows are as large as can be, so it
// is the socket's buffers that fill, and after that nothing leaves the server,
// GOAWAY included. Over TCP that takes a few megabytes. It is ready when it has
// stopped reading.
func Frozen(ctx context.Context, dial DialFunc, call Call) (*Client, error) {
	policy := Policy{
		AckSettings:  true,
		AckPings:     true,
		FreezeAtData: true,
		StreamWindow: maxWindow,
		ConnWindow:   maxWindow,
	}
	c, _, err := open(ctx, smallBuffer(dial), policy, call)
	if err != nil {
		return nil, err
	}
	c.ready = c.frozen.ch
	return c, nil
}

// smallBuffer asks for a small receive buffer where there is one to size. The
// kernel may refuse: then more is sent before the connection is stuck.
func smallBuffer(dial DialFunc) DialFunc {
	return func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		if tcp, ok := innermost(conn).(interface{ SetReadBuffer(int) error }); ok {
			_ = tcp.SetReadBuffer(frozenBuffer)
		}
		return conn, nil
	}
}

// SlowReader opens the server stream that call describes and never gives back
// any of its flow-control window, of the given size, though it reads and
// acknowledges everything: the handler blocks in Send (scenario U04). grpc-go
// buffers 64 KiB more than the window before it does. A window of 0 is HTTP/2's
// default of 65,535 bytes. It is ready when the window has been used up.
func SlowReader(
	ctx context.Context, dial DialFunc, call Call, window uint32,
) (*Client, error) {
	policy := Obedient()
	policy.UpdateWindows = false
	policy.StreamWindow = window
	policy.ConnWindow = maxWindow
	c, streams, err := open(ctx, dial, policy, call)
	if err != nil {
		return nil, err
	}
	c.ready = streams[0].Exhausted()
	return c, nil
}
