// SPDX-License-Identifier: Apache-2.0

// Package hermetic marks the context of a Tracer that is made for a test: the
// environment of whoever runs it is neither read nor checked, and nothing is
// exported unless the test has an exporter of its own.
package hermetic

import "context"

type key struct{}

// Context marks ctx.
func Context(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// Is reports whether ctx is marked.
func Is(ctx context.Context) bool { return ctx.Value(key{}) != nil }
