// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"os"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// envTraceParent names the trace that made this process: the rollout, not the
// stop. (OpenTelemetry specification, Environment Variables as Context
// Propagation Carriers.)
const envTraceParent = "TRACEPARENT"

// origin is what a shutdown's trace hangs on.
type origin struct {
	parent trace.SpanContext // of the root; invalid: none
	links  []trace.Link
}

// readOrigin turns TRACEPARENT into a link: as a parent, whose spans Jaeger
// does not have, it would cost the trace its critical path. It is warned about,
// not an error: somebody else has set it.
func (c *config) readOrigin() {
	v := os.Getenv(envTraceParent)
	if v == "" {
		return
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{
		"traceparent": v, "tracestate": os.Getenv("TRACESTATE"),
	})
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		c.log.Warn("not a W3C traceparent, ignored", "variable", envTraceParent, "value", clean(v))
		return
	}
	c.origin.links = []trace.Link{{SpanContext: sc}}
}

// WithParent makes the span in ctx the parent of every shutdown's root, for
// those who know it: a deployment tool that runs the server in a span of its
// own. Whoever looks at the trace must have that span too, or Jaeger draws no
// critical path. By default, the root has no parent, and a TRACEPARENT in the
// environment becomes a link.
func WithParent(ctx context.Context) Option {
	sc := trace.SpanContextFromContext(ctx)
	return optionFunc(func(c *config) error {
		if !sc.IsValid() {
			return errors.New("WithParent: no valid span in the context")
		}
		c.origin.parent = sc
		return nil
	})
}
