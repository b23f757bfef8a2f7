// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"google.golang.org/grpc"
)

// TestNoMessage pins fact 9: the RPC holds the drain, and neither an
// interceptor nor the handler has seen it.
func TestNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen int
		s := newTarget(t, &greeter{}, grpc.UnaryInterceptor(func(
			ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler,
		) (any, error) {
			seen++
			return next(ctx, req)
		}))
		c, err := NoMessage(t.Context(), s.Dial, Call{Method: sayHello})
		c = peer(t, c, err)
		took := s.gracefulStop()
		wantClosed(t, "the client has a GOAWAY", c.GoAway())
		wantHeld(t, took, 10*time.Minute)
		if seen != 0 {
			t.Errorf("the interceptor has seen %d RPCs, want 0", seen)
		}
		_ = c.Close()
		wantTook(t, took, 10*time.Minute)
	})
}

// TestVanisher pins scenario U21: the handler's context is cancelled, the
// connection is gone at once, and the drain waits for the handler.
func TestVanisher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, cancelled := make(chan struct{}), make(chan struct{})
		s := newTarget(t, &greeter{hello: func(ctx context.Context) error {
			close(started)
			<-ctx.Done()
			close(cancelled)
			time.Sleep(10 * time.Second) // does not look at its context
			return nil
		}})
		c, err := Vanisher(t.Context(), s.Dial, Call{Method: sayHello}, started)
		c = peer(t, c, err)
		wantClosed(t, "the handler's context is cancelled", cancelled)
		wantClosed(t, "the client is done", c.Done())
		wantOpen(t, "the client has a GOAWAY", c.GoAway())
		wantTook(t, s.gracefulStop(), 10*time.Second)
		wantOpen(t, "the client has a GOAWAY", c.GoAway())
	})
}

func TestVanisherAtResponse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := make(chan struct{})
		s := newTarget(t, &greeter{
			onWatch: func(stream grpc.ServerStreamingServer[greeterv1.WatchResponse]) error {
				defer close(cancelled)
				_ = stream.Send(&greeterv1.WatchResponse{})
				<-stream.Context().Done()
				return nil
			},
		})
		c, err := Vanisher(t.Context(), s.Dial, Call{Method: watch}, nil)
		peer(t, c, err)
		wantClosed(t, "the handler's context is cancelled", cancelled)
	})
}

// TestVanisherClosedBefore checks that a vanisher which never got to vanish
// can be closed.
func TestVanisherClosedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTarget(t, &greeter{hello: func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}})
		c, err := Vanisher(t.Context(), s.Dial, Call{Method: sayHello}, make(chan struct{}))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wantOpen(t, "the client has vanished", c.Ready())
		wantClosed(t, "the client is done", c.Done())
	})
}
