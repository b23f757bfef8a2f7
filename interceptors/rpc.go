// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// sensor watches the RPCs of one server.
type sensor struct {
	srv     *watch.Server
	methods *methods
}

func newSensor(t *tracer.Tracer) *sensor {
	srv := t.Table()
	return &sensor{srv: srv, methods: methodsOf(srv)}
}

// methods are the methods of one server that RPCs have been made to. Only
// registered ones get in, so a client can't make it grow.
type methods struct {
	byName    sync.Map    // "/pkg.Service/Method" to *watch.Method
	described sync.Map    // the same key; the descriptor watches this one
	installed atomic.Bool // server.New made the server: see Install
}

// methodsOf returns the methods of srv: the sensors of a server share them.
func methodsOf(srv *watch.Server) *methods {
	return srv.Shared(func() any {
		srv.Resolve = resolve
		return &methods{}
	}).(*methods)
}

// maxMethod bounds, in bytes, a method name that a client has chosen.
const maxMethod = 256

func (m *methods) get(fullMethod string, registered bool) *watch.Method {
	if v, ok := m.byName.Load(fullMethod); ok {
		return v.(*watch.Method)
	}
	if !registered {
		original := strings.TrimPrefix(fullMethod, "/")
		if len(original) > maxMethod {
			original = original[:maxMethod]
		}
		return &watch.Method{Name: "_OTHER", Short: "_OTHER", Original: strings.ToValidUTF8(original, "�")}
	}
	name := strings.TrimPrefix(fullMethod, "/")
	short := name
	if slash := strings.LastIndexByte(name, '/'); slash >= 0 {
		short = name[strings.LastIndexByte(name[:slash], '.')+1:]
	}
	v, _ := m.byName.LoadOrStore(fullMethod,
		&watch.Method{Name: name, Short: short, Registered: true})
	return v.(*watch.Method)
}

// resolve reads who called. It is called during a shutdown only.
func resolve(ctx context.Context) (c watch.Caller) {
	// An outer interceptor may have put a context of its own there.
	defer func() {
		if recover() != nil {
			c = watch.Caller{}
		}
	}()
	if p, ok := peer.FromContext(ctx); ok {
		c.Addr = p.Addr
	}
	if ua := metadata.ValueFromIncomingContext(ctx, "user-agent"); len(ua) > 0 {
		c.UserAgent = ua[0]
	}
	c.Client = behindProxy(ctx)
	c.HTTP, c.Awaited = watch.ThroughHTTP(ctx)
	c.Span = trace.SpanContextFromContext(ctx)
	return c
}

func (s *sensor) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo,
	handler grpc.UnaryHandler,
) (any, error) {
	if _, ok := s.methods.described.Load(info.FullMethod); ok {
		return handler(ctx, req)
	}
	r := s.srv.Begin(ctx, s.methods.get(info.FullMethod, true))
	defer s.srv.End(r)
	returned := false
	defer s.srv.Returns(r, &returned)
	res, err := markUnary(r, ctx, req, handler)
	returned = true
	return res, err
}

func (s *sensor) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler,
) error {
	if _, ok := s.methods.described.Load(info.FullMethod); ok {
		return handler(srv, ss)
	}
	// grpc hands an unknown method's handler no server.
	return s.watchStream(srv, ss, s.methods.get(info.FullMethod, srv != nil), handler)
}

func (s *sensor) watchStream(srv any, ss grpc.ServerStream, m *watch.Method,
	handler grpc.StreamHandler,
) error {
	w := &watchedStream{ServerStream: ss, srv: s.srv}
	s.srv.BeginStream(clientContext(ss), m, &w.rpc, &w.msgs)
	defer s.srv.EndStream(&w.rpc)
	returned := false
	defer s.srv.Returns(&w.rpc, &returned)
	err := markStream(&w.rpc, srv, w, handler)
	returned = true
	return err
}

// clientContext is the context that ends with the client's call: package server
// may have given the handler another one, whose end frees no connection.
func clientContext(ss grpc.ServerStream) context.Context {
	if s, ok := ss.(interface{ ClientContext() context.Context }); ok {
		return s.ClientContext()
	}
	return ss.Context()
}

// watchedStream tells what its handler waits for. It is never pooled: a handler
// may use its stream after it has returned.
type watchedStream struct {
	grpc.ServerStream
	srv  *watch.Server
	rpc  watch.RPC
	msgs watch.Messages
}

// RecvMsg implements grpc.ServerStream.
func (w *watchedStream) RecvMsg(m any) error {
	w.msgs.RecvBegin(w.srv)
	err := w.ServerStream.RecvMsg(m)
	w.msgs.RecvEnd(w.srv, err == nil)
	return err
}

// SendMsg implements grpc.ServerStream.
func (w *watchedStream) SendMsg(m any) error {
	w.msgs.SendBegin(w.srv)
	err := w.ServerStream.SendMsg(m)
	w.msgs.SendEnd(w.srv, err == nil)
	return err
}
