// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"net/http"
)

// httpKey is in the context of an RPC that package server waits for.
type httpKey struct{}

// WithHTTP marks the context of a request that is served by package server's
// ServeHTTP.
func WithHTTP(ctx context.Context) context.Context {
	return context.WithValue(ctx, httpKey{}, true)
}

// ThroughHTTP reports whether an RPC with this context came through grpc's
// ServeHTTP: from an http.Server, whose mark net/http and x/net/http2 put into the
// context of each request. awaited says that package server waits for it.
func ThroughHTTP(ctx context.Context) (through, awaited bool) {
	if ctx.Value(httpKey{}) != nil {
		return true, true
	}
	return ctx.Value(http.ServerContextKey) != nil, false
}
