// SPDX-License-Identifier: Apache-2.0

package servertest

import "context"

// NoMessage opens an RPC, sends its headers and never the message. grpc-go
// reads the message of a unary RPC before it calls the interceptors, so none
// of them sees this one, and a drain waits for it without end. It is ready when
// the server has taken the stream.
func NoMessage(ctx context.Context, dial DialFunc, call Call) (*Client, error) {
	call.HeadersOnly = true
	return openTaken(ctx, dial, Obedient(), call)
}

// Vanisher opens an RPC and resets the connection when started is closed,
// which is for the caller to do when the handler runs; if started is nil, when
// the first frame of the response arrives. A handler that does not look at its
// context then runs on without a client (scenario U21). It is ready when it has
// vanished.
func Vanisher(
	ctx context.Context, dial DialFunc, call Call, started <-chan struct{},
) (*Client, error) {
	c, streams, err := open(ctx, dial, Obedient(), call)
	if err != nil {
		return nil, err
	}
	if started == nil {
		started = streams[0].Responded()
	}
	c.ready = c.aborted.ch
	c.tasks.Go(func() {
		select {
		case <-started:
			_ = c.Abort() // Close reports it again
		case <-c.done.ch: // by Close or the server
		}
	})
	return c, nil
}
