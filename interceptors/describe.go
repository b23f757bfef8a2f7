// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// Describe returns a copy of sd whose handlers are watched: register that one.
// A unary RPC is seen before its message is decoded (grpc-go 1.84 and later;
// until then right after) and outside of every interceptor. With streams set,
// streaming RPCs are watched too, inside of every interceptor: for a server
// that was made without [ServerOptions]. No RPC is counted twice. With a nil
// tracer sd is returned as it is.
func Describe(t *tracer.Tracer, sd *grpc.ServiceDesc, streams bool) *grpc.ServiceDesc {
	if !usable(t, "Describe") || sd == nil {
		return sd
	}
	s := newSensor(t)
	d := *sd
	d.Methods = slices.Clone(sd.Methods)
	for i := range d.Methods {
		m := &d.Methods[i]
		full := "/" + sd.ServiceName + "/" + m.MethodName
		s.methods.described.Store(full, nil)
		m.Handler = (&unaryMethod{s.srv, s.methods.get(full, true), m.Handler}).handle
	}
	d.Streams = slices.Clone(sd.Streams)
	for i := range d.Streams {
		m := &d.Streams[i]
		full := "/" + sd.ServiceName + "/" + m.StreamName
		method, inner := s.methods.get(full, true), m.Handler
		if !streams {
			continue // the interceptor watches it, and knows it by name
		}
		s.methods.described.Store(full, nil)
		m.Handler = func(srv any, ss grpc.ServerStream) error {
			return s.watchStream(srv, ss, method, inner)
		}
	}
	return &d
}

// unaryMethod is a unary method's descriptor, watched.
type unaryMethod struct {
	srv    *watch.Server
	method *watch.Method
	inner  grpc.MethodHandler
}

//nolint:revive // the order is grpc.MethodHandler's
func (m *unaryMethod) handle(srv any, ctx context.Context, dec func(any) error,
	interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	r := m.srv.Begin(ctx, m.method)
	defer m.srv.End(r)
	returned := false
	defer m.srv.Returns(r, &returned)
	res, err := markMethod(r, m.inner, srv, ctx, dec, interceptor)
	returned = true
	return res, err
}
