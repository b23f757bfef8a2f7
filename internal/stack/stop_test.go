// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"context"
	"net"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/stack"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// TestStopPlaces: where grpc's stop waits is told by its own frames (fact 48).
func TestStopPlaces(t *testing.T) {
	for _, tt := range []struct {
		name string
		hold func(*testing.T, *bench) (release func())
		want stack.StopPlace
	}{
		{"a connection is left", holdConnection, stack.StopInCond},
		{"a handshake is left", holdHandshake, stack.StopInWait},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := serve(t, diver{})
				release := tt.hold(t, b)
				synctest.Wait()
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					b.srv.GracefulStop()
				}()
				if got := b.read().Stop; got != tt.want {
					t.Errorf("stop in %q, want %q", got, tt.want)
				}
				release()
				<-stopped
				if got := b.read().Stop; got != stack.StopUnknown {
					t.Errorf("after the stop: %q", got)
				}
			})
		})
	}
}

func holdConnection(t *testing.T, b *bench) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := b.client(nil).Chat(ctx); err != nil {
		t.Fatal(err)
	}
	return cancel
}

func holdHandshake(t *testing.T, b *bench) func() {
	t.Helper()
	p, err := servertest.Silent(t.Context(), b.lis.Dial)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = p.Close() }
}

// slowListener is one of a user's own.
type slowListener struct {
	net.Listener
	closing, gate gate
}

func (l slowListener) Close() error {
	close(l.closing)
	<-l.gate
	return l.Listener.Close()
}

// TestStopInUserCode is not in a bubble: grpc closes listeners with its lock
// held, and who waits for a mutex stops a bubble's clock.
func TestStopInUserCode(t *testing.T) {
	b := serve(t, quick{})
	if _, err := b.client(nil).SayHello(t.Context(), &greeterv1.SayHelloRequest{}); err != nil {
		t.Fatal(err)
	}
	l := slowListener{servertest.Listen(), make(gate), make(gate)}
	served := make(chan error, 1)
	go func() { served <- b.srv.Serve(l) }()
	conn, err := l.Listener.(*servertest.Listener).Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.srv.GracefulStop()
	}()
	<-l.closing
	if got := b.readNow().Stop; got != stack.StopInUser {
		t.Errorf("stop in %q, want %q", got, stack.StopInUser)
	}
	close(l.gate)
	_ = conn.Close()
	<-stopped
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// TestStopInDrain: a tap handle that blocks keeps GracefulStop from telling
// anybody to go away (fact 49). It is not in a bubble either.
func TestStopInDrain(t *testing.T) {
	g, entered := make(gate), make(chan struct{})
	b := serve(t, quick{}, grpc.InTapHandle(g.tapAfter(entered)))
	b.call(b.client(nil))
	<-entered
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		b.srv.GracefulStop()
	}()
	limit := time.Now().Add(20 * time.Second)
	r := b.readNow()
	for r.Stop != stack.StopInDrain && time.Now().Before(limit) {
		runtime.Gosched()
		r = b.readNow()
	}
	close(g)
	<-stopped
	if r.Stop != stack.StopInDrain {
		t.Errorf("stop in %q, want %q", r.Stop, stack.StopInDrain)
	}
	if len(r.Hooks) != 1 || r.Hooks[0].Kind != stack.HookTap {
		t.Errorf("hooks %v, want the tap handle", r.Hooks)
	}
}
