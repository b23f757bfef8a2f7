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

const (
	sayHello = "/greeter.v1.Greeter/SayHello"
	watch    = "/greeter.v1.Greeter/Watch"
)

// greeter is a Greeter whose handlers are given by the test.
type greeter struct {
	greeterv1.UnimplementedGreeterServer
	hello   func(context.Context) error
	onWatch func(grpc.ServerStreamingServer[greeterv1.WatchResponse]) error
}

func (g *greeter) SayHello(
	ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	if g.hello != nil {
		if err := g.hello(ctx); err != nil {
			return nil, err
		}
	}
	return &greeterv1.SayHelloResponse{Message: "hello"}, nil
}

func (g *greeter) Watch(
	_ *greeterv1.WatchRequest, stream grpc.ServerStreamingServer[greeterv1.WatchResponse],
) error {
	return g.onWatch(stream)
}

// flood sends a KiB at a time until Send fails, and counts.
func flood(sent *int) func(grpc.ServerStreamingServer[greeterv1.WatchResponse]) error {
	return func(stream grpc.ServerStreamingServer[greeterv1.WatchResponse]) error {
		for {
			err := stream.Send(&greeterv1.WatchResponse{Payload: make([]byte, 1<<10)})
			if err != nil {
				return err
			}
			*sent++
		}
	}
}

// target is a plain grpc-go server that listens in memory, inside a bubble.
type target struct {
	*Listener
	server *grpc.Server
}

func newTarget(t *testing.T, g *greeter, opts ...grpc.ServerOption) *target {
	t.Helper()
	s := &target{Listener: Listen(), server: grpc.NewServer(opts...)}
	greeterv1.RegisterGreeterServer(s.server, g)
	served := make(chan error)
	go func() { served <- s.server.Serve(s.Listener) }()
	t.Cleanup(func() {
		s.server.Stop()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	synctest.Wait() // the server has registered its listener
	return s
}

// gracefulStop begins a GracefulStop; the channel gets the time it took.
func (s *target) gracefulStop() <-chan time.Duration {
	took := make(chan time.Duration, 1)
	begin := time.Now()
	go func() {
		s.server.GracefulStop()
		took <- time.Since(begin)
	}()
	synctest.Wait()
	return took
}

// peer fails the test if a peer could not be made, waits until it is ready
// and closes it at the end.
func peer[P Peer](t *testing.T, p P, err error) P {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	synctest.Wait()
	wantClosed(t, "peer is ready", p.Ready())
	return p
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

func wantClosed(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	if !closed(ch) {
		t.Errorf("want that %s", what)
	}
}

func wantOpen(t *testing.T, what string, ch <-chan struct{}) {
	t.Helper()
	if closed(ch) {
		t.Errorf("want not yet that %s", what)
	}
}

func wantTook(t *testing.T, took <-chan time.Duration, want time.Duration) {
	t.Helper()
	if got := <-took; got != want {
		t.Errorf("GracefulStop took %v, want %v", got, want)
	}
}

// wantHeld checks that the stop has not ended after d, which it lets pass.
func wantHeld(t *testing.T, took <-chan time.Duration, d time.Duration) {
	t.Helper()
	select {
	case got := <-took:
		t.Fatalf("GracefulStop took %v, want more than %v", got, d)
	case <-time.After(d):
	}
}
