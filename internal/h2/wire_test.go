// SPDX-License-Identifier: Apache-2.0

package h2_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/h2"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"google.golang.org/grpc"
)

const sayHello = "/greeter.v1.Greeter/SayHello"

// event is one frame on the wire, as the server sees it.
type event struct {
	h2.Frame
	sent bool // by the server
	when time.Time
}

// wire is a listener that scans what its one connection carries.
type wire struct {
	*servertest.Listener

	mu     sync.Mutex // guards following
	events []event
}

type wireConn struct {
	net.Conn
	read, write      h2.Scanner
	reading, writing visitor
}

type visitor struct {
	wire *wire
	sent bool
}

func (v visitor) Frame(f *h2.Frame) {
	v.wire.mu.Lock()
	defer v.wire.mu.Unlock()
	v.wire.events = append(v.wire.events, event{*f, v.sent, time.Now()})
}

func (w *wire) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &wireConn{Conn: conn, reading: visitor{w, false}, writing: visitor{w, true}}
	c.read.InitRead()
	c.write.InitWrite()
	return c, nil
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Scan(p[:n], c.reading)
	return n, err
}

func (c *wireConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.write.Scan(p[:n], c.writing)
	return n, err
}

// find returns the frames seen so far that match.
func (w *wire) find(match func(event) bool) []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []event
	for _, e := range w.events {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

func (w *wire) goAways() []event {
	return w.find(func(e event) bool { return e.sent && e.Type == h2.FrameGoAway })
}

// drain is the part of the conversation that a graceful stop adds.
func (w *wire) drain() []event {
	return w.find(func(e event) bool { return e.Type == h2.FrameGoAway || e.IsDrainPing() })
}

// server is a plain grpc-go server on a wire, inside a bubble.
type server struct {
	greeterv1.UnimplementedGreeterServer
	*wire
	*grpc.Server
	handle func(context.Context) // nil returns at once
	began  time.Time             // of the stop
}

func (s *server) SayHello(
	ctx context.Context, _ *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	if s.handle != nil {
		s.handle(ctx)
	}
	return &greeterv1.SayHelloResponse{}, nil
}

func serve(t *testing.T, handle func(context.Context), opts ...grpc.ServerOption) *server {
	t.Helper()
	s := &server{
		wire:   &wire{Listener: servertest.Listen()},
		Server: grpc.NewServer(opts...),
		handle: handle,
	}
	greeterv1.RegisterGreeterServer(s.Server, s)
	served := make(chan error)
	go func() { served <- s.Serve(s.wire) }()
	t.Cleanup(func() {
		s.Stop()
		<-served
	})
	synctest.Wait()
	return s
}

// connect returns a settled client with policy.
func (s *server) connect(t *testing.T, policy servertest.Policy) *servertest.Client {
	t.Helper()
	c, err := servertest.Connect(t.Context(), s.Dial, policy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	<-c.Ready()
	return c
}

// stop begins a GracefulStop and returns when nothing more happens at once; the
// channel gets the time it took.
func (s *server) stop() <-chan time.Duration {
	s.began = time.Now()
	took := make(chan time.Duration, 1)
	go func() {
		s.GracefulStop()
		took <- time.Since(s.began)
	}()
	synctest.Wait()
	return took
}

// at returns when e happened, counted from the beginning of the stop.
func (s *server) at(e event) time.Duration { return e.when.Sub(s.began) }

func call(t *testing.T, c *servertest.Client) *servertest.Stream {
	t.Helper()
	s, err := c.Open(servertest.Call{Method: sayHello})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return s
}
