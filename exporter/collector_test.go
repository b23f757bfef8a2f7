// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"net"
	"sync"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/gracetrace/gracetrace/internal/address"
)

type (
	request  = coltracepb.ExportTraceServiceRequest
	response = coltracepb.ExportTraceServiceResponse
)

// collector is an OTLP gRPC server on the loopback interface.
type collector struct {
	coltracepb.UnimplementedTraceServiceServer
	addr string
	srv  *grpc.Server
	// answer decides about a request that has spans; nil takes it.
	answer func(ctx context.Context, req *request) (*response, error)
	// took gets the number of spans of each request that was taken.
	took chan int

	mu     sync.Mutex
	empty  int
	traces []*tracepb.ResourceSpans
	md     metadata.MD
}

func (c *collector) Export(ctx context.Context, req *request) (*response, error) {
	c.mu.Lock()
	c.md, _ = metadata.FromIncomingContext(ctx)
	if len(req.ResourceSpans) == 0 {
		c.empty++
	}
	c.mu.Unlock()
	if c.answer != nil {
		if resp, err := c.answer(ctx, req); resp != nil || err != nil {
			return resp, err
		}
	}
	if len(req.ResourceSpans) == 0 {
		return &response{}, nil
	}
	c.mu.Lock()
	c.traces = append(c.traces, req.ResourceSpans...)
	c.mu.Unlock()
	select {
	case c.took <- len(flatten(req.ResourceSpans)):
	default:
	}
	return &response{}, nil
}

// startCollector listens on addr, or on one of its own when it is empty.
func startCollector(
	t *testing.T, addr string, c *collector, opts ...grpc.ServerOption,
) *collector {
	t.Helper()
	if addr == "" {
		addr = address.TCP(t)
	}
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if c == nil {
		c = &collector{}
	}
	c.serve(t, lis, opts...)
	return c
}

func (c *collector) serve(t *testing.T, lis net.Listener, opts ...grpc.ServerOption) {
	t.Helper()
	c.addr, c.took = lis.Addr().String(), make(chan int, 100)
	c.srv = grpc.NewServer(opts...)
	coltracepb.RegisterTraceServiceServer(c.srv, c)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.srv.Serve(lis)
	}()
	t.Cleanup(func() {
		c.srv.Stop()
		<-done
	})
}

func flatten(traces []*tracepb.ResourceSpans) []*tracepb.Span {
	var spans []*tracepb.Span
	for _, rs := range traces {
		for _, ss := range rs.ScopeSpans {
			spans = append(spans, ss.Spans...)
		}
	}
	return spans
}

func (c *collector) spans() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return flatten(c.traces)
}

func (c *collector) header(key string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.md.Get(key)
}

// muteAddr accepts connections and never says a word.
func muteAddr(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
		}
	}()
	t.Cleanup(func() {
		lis.Close()
		<-done
	})
	return lis.Addr().String()
}
