// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/stats"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// rawCodec sends the same bytes whatever the message is.
type rawCodec string

func (c rawCodec) Marshal(any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(c)}, nil
}
func (rawCodec) Unmarshal(mem.BufferSlice, any) error { return nil }
func (rawCodec) Name() string                         { return "proto" }

func options(opts ...grpc.ServerOption) func(*record) []grpc.ServerOption {
	return func(*record) []grpc.ServerOption { return opts }
}

// until records when the client's connection is in the state.
func (r *record) until(ctx context.Context, state connectivity.State) {
	s := r.cc.GetState()
	for s != state && r.cc.WaitForStateChange(ctx, s) {
		s = r.cc.GetState()
	}
	r.addf("connection", "%v", s)
}

// limitCases are about what a server's options forbid.
var limitCases = []sameCase{
	{name: "MaxRecvMsgSize", server: options(grpc.MaxRecvMsgSize(100)), do: both(strings.Repeat("x", 200))},
	{name: "MaxSendMsgSize", server: options(grpc.MaxSendMsgSize(100)), do: both("bytes 200")},
	{name: "default sizes", do: both("bytes 3000000")},
	{name: "keepalive enforcement", server: options(grpc.KeepaliveEnforcementPolicy(
		keepalive.EnforcementPolicy{MinTime: time.Hour})),
		client: []grpc.DialOption{grpc.WithKeepaliveParams(
			keepalive.ClientParameters{Time: 10 * time.Second})},
		do: func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
			defer cancel()
			r.unary(ctx, c, "wait")
		}},
	{name: "MaxConnectionIdle", server: options(grpc.KeepaliveParams(
		keepalive.ServerParameters{MaxConnectionIdle: 10 * time.Second})),
		do: func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
			r.unary(ctx, c, "hello")
			r.until(ctx, connectivity.Idle)
		}},
	{name: "pings of the server", server: options(grpc.KeepaliveParams(
		keepalive.ServerParameters{MaxConnectionIdle: math.MaxInt64, Time: 5 * time.Second})),
		do: func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
			r.unary(ctx, c, "work 30s") // six of them
		}},
	{name: "MaxConcurrentStreams", server: options(grpc.MaxConcurrentStreams(2)), do: together("work 1s", 5)},
	{name: "NumStreamWorkers", server: options(grpc.NumStreamWorkers(2)), do: together("work 1s", 5)},
	{name: "MaxHeaderListSize", server: options(grpc.MaxHeaderListSize(100)), do: both("hello")},
	{name: "windows and buffers", server: options(grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(1<<20), grpc.WriteBufferSize(0), grpc.ReadBufferSize(0)),
		do: both("bytes 300000")},
}

// together makes n unary RPCs at the same time, and then n streams.
func together(text string, n int) func(context.Context, *record, greeterv1.GreeterClient) {
	return func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		r.unary(ctx, c, "hello") // the client has the server's settings
		for _, call := range []func(*record){
			func(r *record) { r.unary(ctx, c, text) },
			func(r *record) { r.chat(ctx, c, text) },
		} {
			r.together(slices.Repeat([]func(*record){call}, n)...)()
		}
	}
}

// traffic has a stats.Handler record the sizes of what goes over the wire.
func traffic(r *record) []grpc.ServerOption {
	return []grpc.ServerOption{grpc.StatsHandler(&statsHandler{r})}
}

// statsHandler is a user's own.
type statsHandler struct{ *record }

// statsOf is the key under which a context carries whose events they are.
type statsOf struct{}

// TagRPC keeps the RPCs apart: the end of one comes when its status is queued,
// after the client may have begun the next.
func (h *statsHandler) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	of := "stats of " + info.FullMethodName
	h.addf(of, "tag %t", info.FailFast)
	return context.WithValue(ctx, statsOf{}, of)
}

func (h *statsHandler) HandleRPC(ctx context.Context, s stats.RPCStats) {
	of, _ := ctx.Value(statsOf{}).(string)
	switch s := s.(type) {
	case *stats.InHeader:
		h.addf(of, "in header %s %s", s.FullMethod, s.Compression)
	case *stats.InPayload:
		h.addf(of, "in %d of %d", s.CompressedLength, s.Length)
	case *stats.OutPayload:
		h.addf(of, "out %d of %d", s.CompressedLength, s.Length)
	case *stats.OutHeader:
		h.addf(of, "out header %s", s.Compression)
	case *stats.End:
		h.addf(of, "end %v", s.Error)
	default:
		h.addf(of, "%T", s)
	}
}

func (h *statsHandler) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	h.addf("stats of the connection", "from %s to %s", info.RemoteAddr, info.LocalAddr)
	return ctx
}

func (h *statsHandler) HandleConn(_ context.Context, s stats.ConnStats) {
	h.addf("stats of the connection", "%T", s)
}
