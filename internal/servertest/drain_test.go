// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdleDrain pins what a connection without RPCs costs a drain (fact 4).
func TestIdleDrain(t *testing.T) {
	for _, test := range []struct {
		name string
		dial func(context.Context, DialFunc) (*Client, error)
		want time.Duration
	}{
		{"Obedient", func(ctx context.Context, dial DialFunc) (*Client, error) {
			return Connect(ctx, dial, Obedient())
		}, 0},
		{"Mute", func(ctx context.Context, dial DialFunc) (*Client, error) {
			return Mute(ctx, dial)
		}, 6 * time.Second},
		{"Linger", func(ctx context.Context, dial DialFunc) (*Client, error) {
			return Linger(ctx, dial)
		}, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTarget(t, &greeter{})
				c, err := test.dial(t.Context(), s.Dial)
				c = peer(t, c, err)
				took := s.gracefulStop()
				wantClosed(t, "the client has a GOAWAY", c.GoAway())
				wantTook(t, took, test.want)
				synctest.Wait()
				wantClosed(t, "the client is done", c.Done())
			})
		})
	}
}

// TestBusyDrain checks that a peer's fault adds to the time of its RPC only
// what the RPC does not cover.
func TestBusyDrain(t *testing.T) {
	const held = 3 * time.Second
	for _, test := range []struct {
		name string
		dial func(context.Context, DialFunc, ...Call) (*Client, error)
		want time.Duration
	}{
		{"Mute", Mute, 6 * time.Second}, // the PING's 5 s and 1 s of linger
		{"Linger", Linger, held + time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				s := newTarget(t, &greeter{hello: func(context.Context) error {
					<-release
					return nil
				}})
				c, err := test.dial(t.Context(), s.Dial, Call{Method: sayHello})
				c = peer(t, c, err)
				took := s.gracefulStop()
				wantHeld(t, took, held)
				close(release)
				wantTook(t, took, test.want)
				wantClosed(t, "the client has a GOAWAY", c.GoAway())
			})
		})
	}
}

// TestTakenStreams checks what Ready promises of a peer with calls: the server
// has their streams, so that it waits for them.
func TestTakenStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running := make(chan struct{}, 2)
		s := newTarget(t, &greeter{hello: func(ctx context.Context) error {
			running <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}})
		c, err := Linger(t.Context(), s.Dial, Call{Method: sayHello}, Call{Method: sayHello})
		c = peer(t, c, err)
		if len(running) != 2 {
			t.Errorf("%d handlers run, want 2", len(running))
		}
		took := s.gracefulStop()
		wantHeld(t, took, time.Hour)
		_ = c.Close()
		wantTook(t, took, time.Hour)
	})
}
