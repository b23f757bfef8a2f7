// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	"github.com/gracetrace/gracetrace/interceptors"
)

// hooks are what of an application grpc calls besides its handlers. Each waits
// where the story says, from hang until release.
type hooks struct {
	mu       sync.Mutex    // guards following
	released chan struct{} // nil: nothing hangs
}

func (h *hooks) hang() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.released = make(chan struct{})
}

func (h *hooks) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released != nil {
		close(h.released)
	}
	h.released = nil
}

// somebody is who is asked: what it returns is closed when there is an answer.
func (h *hooks) somebody() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released != nil {
		return h.released
	}
	answered := make(chan struct{})
	close(answered)
	return answered
}

// options installs the hooks that a story names.
func (s *story) hookOptions(args arguments) ([]grpc.ServerOption, error) {
	var opts []grpc.ServerOption
	if !args.has("hook") {
		return nil, nil
	}
	for kind := range strings.SplitSeq(args.keys["hook"], ",") {
		switch kind {
		case "tagconn", "connend", "rpcend":
			opts = append(opts, grpc.StatsHandler(&metrics{&s.hooks, kind}))
		case "limiter":
			l := &limiter{&s.hooks}
			opts = append(opts, grpc.UnaryInterceptor(l.Unary), grpc.StreamInterceptor(l.Stream))
		case "realip":
			opts = append(opts, grpc.StreamInterceptor(realIP))
		case "credentials":
			opts = append(opts, grpc.Creds(interceptors.Credentials(s.tracer,
				&workloadCredentials{insecure.NewCredentials(), &s.hooks})))
		default:
			return nil, fmt.Errorf("unknown hook %q", kind)
		}
	}
	return opts, nil
}

// metrics is a stats.Handler that sends somewhere what it is told, and waits
// for that at one of its calls.
type metrics struct {
	*hooks
	at string
}

// TagRPC implements stats.Handler.
func (*metrics) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (m *metrics) HandleRPC(_ context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.End); ok && m.at == "rpcend" {
		<-m.somebody()
	}
}

// TagConn implements stats.Handler.
func (m *metrics) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	if m.at == "tagconn" {
		<-m.somebody()
	}
	return ctx
}

// HandleConn implements stats.Handler.
func (m *metrics) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnEnd); ok && m.at == "connend" {
		<-m.somebody()
	}
}

// limiter lets an RPC wait for its turn before its handler begins.
type limiter struct{ *hooks }

// Unary is a grpc.UnaryServerInterceptor.
func (l *limiter) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler,
) (any, error) {
	<-l.somebody()
	return h(ctx, req)
}

// Stream is a grpc.StreamServerInterceptor.
func (l *limiter) Stream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler,
) error {
	<-l.somebody()
	return h(srv, ss)
}

// realIP is a grpc.StreamServerInterceptor that replaces the peer by the client
// that a proxy speaks for.
func realIP(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	client := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 9)}
	return h(srv, &clientStream{ss, peer.NewContext(ss.Context(), &peer.Peer{Addr: client})})
}

type clientStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a grpc.ServerStream has one
}

// Context implements grpc.ServerStream.
func (s *clientStream) Context() context.Context { return s.ctx }

// workloadCredentials ask an agent on the machine for each handshake.
type workloadCredentials struct {
	credentials.TransportCredentials
	*hooks
}

// ServerHandshake implements credentials.TransportCredentials.
func (c *workloadCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	<-c.somebody()
	return c.TransportCredentials.ServerHandshake(conn)
}
