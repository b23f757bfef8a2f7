// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"context"
	"runtime"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// The functions below are marks: each handler runs below one, and a dump of the
// goroutines shows the address of its first argument, the RPC's entry. So a
// stack is matched to its RPC, at no cost that could be measured. For that they
// must not be inlined, and must use the entry after the call: until then the
// compiler keeps it where a dump finds it. Package stack knows them by the
// beginning of their names; TestHandlers there fails if any of this is lost.

// markMethod calls a method's descriptor.
//
//go:noinline
//nolint:revive // the entry comes first
func markMethod(r *watch.RPC, inner grpc.MethodHandler, srv any, ctx context.Context,
	dec func(any) error, interceptor grpc.UnaryServerInterceptor,
) (any, error) {
	res, err := inner(srv, ctx, dec, interceptor)
	runtime.KeepAlive(r)
	return res, err
}

// markUnary calls what is inside of a unary interceptor.
//
//go:noinline
//nolint:revive // the entry comes first
func markUnary(r *watch.RPC, ctx context.Context, req any, handler grpc.UnaryHandler,
) (any, error) {
	res, err := handler(ctx, req)
	runtime.KeepAlive(r)
	return res, err
}

// markStream calls a stream's handler.
//
//go:noinline
func markStream(r *watch.RPC, srv any, ss grpc.ServerStream, handler grpc.StreamHandler) error {
	err := handler(srv, ss)
	runtime.KeepAlive(r)
	return err
}
