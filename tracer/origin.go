// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// envTraceParent names the trace that made this process: the rollout, not the
// stop; envTraceState is what its vendor adds. (OpenTelemetry specification,
// Environment Variables as Context Propagation Carriers.)
const (
	envTraceParent = "TRACEPARENT"
	envTraceState  = "TRACESTATE"
)

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
		"traceparent": v, "tracestate": os.Getenv(envTraceState),
	})
	sc := trace.SpanContextFromContext(ctx)
	if !sc.IsValid() {
		c.log.Warn("not a W3C traceparent, ignored", "variable", envTraceParent, "value", clean(v))
		return
	}
	c.origin.links = []trace.Link{{SpanContext: sc}}
	if state := os.Getenv(envTraceState); state != "" && sc.TraceState().Len() == 0 {
		c.log.Warn("not a W3C tracestate, ignored", "variable", envTraceState, "value", clean(state))
	}
}

// attrs are on the span that says that a shutdown has started. It has no parent, or a
// killed run would have no root: whoever ends that gives the root the parent that it
// would have had. (A link would do, too, but Jaeger draws a span with a link to its
// own trace as that one's child.)
func (o *origin) attrs() []attr {
	sc := o.parent
	if !sc.IsValid() {
		return nil
	}
	parent := fmt.Sprintf("00-%s-%s-%s", sc.TraceID(), sc.SpanID(), sc.TraceFlags())
	return said(attr{keyParent, parent}, attr{keyParentState, sc.TraceState().String()})
}

// readParent is the reverse. It returns an invalid parent if there is none, or one of
// another trace. (propagation.TraceContext knows fewer flags.)
func readParent(traceID string, attrs map[string]any) trace.SpanContext {
	text, _ := attrs[keyParent].(string)
	parts := strings.Split(text, "-")
	if len(parts) != 4 || parts[1] != traceID {
		return trace.SpanContext{}
	}
	var conf trace.SpanContextConfig
	flags, err := strconv.ParseUint(parts[3], 16, 8)
	if err != nil {
		return trace.SpanContext{}
	}
	conf.TraceFlags, conf.Remote = trace.TraceFlags(flags), true
	if conf.TraceID, err = trace.TraceIDFromHex(parts[1]); err != nil {
		return trace.SpanContext{}
	}
	if conf.SpanID, err = trace.SpanIDFromHex(parts[2]); err != nil {
		return trace.SpanContext{}
	}
	state, _ := attrs[keyParentState].(string)
	conf.TraceState, _ = trace.ParseTraceState(state) // a parent without it is one, too
	return trace.NewSpanContext(conf)
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
