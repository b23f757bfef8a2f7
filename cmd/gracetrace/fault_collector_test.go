// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/address"
)

type (
	request  = collectorv1.ExportTraceServiceRequest
	response = collectorv1.ExportTraceServiceResponse
)

// answer is what a collector does about a request; neither a response nor an error:
// it takes it.
type answer func(context.Context, *sink, *request) (*response, error)

// sink is a collector that keeps what it takes, as long as it is up.
type sink struct {
	collectorv1.UnimplementedTraceServiceServer
	addr   string
	answer answer
	opts   []grpc.ServerOption

	open atomic.Int64 // connections
	seen atomic.Int64 // connections that it has accepted

	mu    sync.Mutex // guards following
	spans map[string]*tracepb.Span
	came  map[string]time.Time // when a span of that name came first
	srv   *grpc.Server
	over  chan struct{} // closed when it is down
}

// newSink starts one. Each part may be nil.
func newSink(t *testing.T, answer answer, opts ...grpc.ServerOption) *sink {
	t.Helper()
	c := &sink{
		addr: address.TCP(t), answer: answer, opts: opts,
		spans: make(map[string]*tracepb.Span), came: make(map[string]time.Time),
	}
	c.up(t)
	t.Cleanup(c.down)
	return c
}

// up starts it, after a down on the same port.
func (c *sink) up(t *testing.T) {
	t.Helper()
	lis, err := net.Listen("tcp", c.addr)
	if err != nil {
		t.Error(err) // it may be another goroutine's
		return
	}
	srv, over := grpc.NewServer(c.opts...), make(chan struct{})
	collectorv1.RegisterTraceServiceServer(srv, c)
	c.mu.Lock()
	c.addr, c.srv, c.over = lis.Addr().String(), srv, over
	c.mu.Unlock()
	go func() {
		defer close(over)
		_ = srv.Serve(&counted{Listener: lis, open: &c.open, seen: &c.seen})
	}()
}

// down ends it as a kill does: connections break, calls are not answered.
func (c *sink) down() {
	c.mu.Lock()
	srv, over := c.srv, c.over
	c.mu.Unlock()
	srv.Stop()
	<-over
}

// die is down, in an answer.
func (c *sink) die() error {
	go c.down()
	return status.Error(codes.Unavailable, "dying")
}

// counted counts connections.
type counted struct {
	net.Listener
	open, seen *atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.open.Add(1)
	l.seen.Add(1)
	return &countedConn{Conn: conn, close: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
}

type countedConn struct {
	net.Conn
	close func()
}

func (c *countedConn) Close() error { c.close(); return c.Conn.Close() }

func (c *sink) Export(ctx context.Context, req *request) (*response, error) {
	if c.answer != nil {
		if resp, err := c.answer(ctx, c, req); resp != nil || err != nil {
			return resp, err
		}
	}
	c.take(req, func(*tracepb.Span) bool { return true })
	return &response{}, nil
}

// take keeps what keep says of a request, and returns how many it does not.
func (c *sink) take(req *request, keep func(*tracepb.Span) bool) (rejected int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range spansOf(req) {
		if !keep(s) {
			rejected++
			continue
		}
		c.spans[string(s.GetSpanId())] = s
		if _, ok := c.came[s.GetName()]; !ok {
			c.came[s.GetName()] = time.Now()
		}
	}
	return rejected
}

func spansOf(req *request) (all []*tracepb.Span) {
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			all = append(all, ss.GetSpans()...)
		}
	}
	return all
}

// taken are the spans that it has, by id.
func (c *sink) taken() map[string]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.spans)
}

// first is when a span of that name came.
func (c *sink) first(name string) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.came[name]
}

// Answers that a collector gives.

// empty is the probe's.
func empty(req *request) bool { return len(spansOf(req)) == 0 }

func never(ctx context.Context, _ *sink, req *request) (*response, error) {
	if empty(req) {
		return nil, nil
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

func slowly(ctx context.Context, _ *sink, req *request) (*response, error) {
	if !empty(req) {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return nil, nil
}

func exhausted(context.Context, *sink, *request) (*response, error) {
	return nil, status.Error(codes.ResourceExhausted, "no room")
}

// exhaustedAbove refuses requests of more bytes.
func exhaustedAbove(limit int) answer {
	return func(_ context.Context, _ *sink, req *request) (*response, error) {
		if proto.Size(req) > limit {
			return nil, status.Error(codes.ResourceExhausted, "too large")
		}
		return nil, nil
	}
}

// wants refuses who does not know the token.
func wants(token string) answer {
	return func(ctx context.Context, _ *sink, _ *request) (*response, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		if got := md.Get("authorization"); len(got) != 1 || got[0] != token {
			return nil, status.Error(codes.Unauthenticated, "who are you?")
		}
		return nil, nil
	}
}
