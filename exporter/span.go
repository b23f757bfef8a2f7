// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"crypto/rand"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Span is one finished span, of kind INTERNAL. Its slices must not be changed
// after Emit.
type Span struct {
	TraceID trace.TraceID
	SpanID  trace.SpanID
	// Parent is in the same trace. Zero: a root, or a child of RemoteParent.
	Parent trace.SpanID
	// RemoteParent is used when Parent is zero and TraceID is its own;
	// otherwise it is ignored.
	RemoteParent trace.SpanContext

	Name       string
	Start, End time.Time
	Attributes []attribute.KeyValue
	Links      []trace.Link

	// ErrorType, when not empty, makes the status Error and is the attribute
	// error.type. StatusMessage is only kept with it: OpenTelemetry has no
	// message for other statuses.
	ErrorType     string
	StatusMessage string
}

// parent is the context that makes the SDK give the span the right parent,
// and the trace id with it.
func (s *Span) parent() trace.SpanContext {
	switch {
	case s.Parent.IsValid():
		return trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: s.TraceID, SpanID: s.Parent, TraceFlags: trace.FlagsSampled,
		})
	case s.RemoteParent.IsValid() && s.RemoteParent.TraceID() == s.TraceID:
		return s.RemoteParent.WithRemote(true)
	}
	return trace.SpanContext{}
}

// record starts and ends the span, which puts it in the provider's processor.
func (s *Span) record(tracer trace.Tracer) {
	ctx := context.WithValue(context.Background(), idKey{}, ids{s.TraceID, s.SpanID})
	ctx = trace.ContextWithSpanContext(ctx, s.parent())
	_, span := tracer.Start(ctx, s.Name,
		trace.WithSpanKind(trace.SpanKindInternal),
		trace.WithTimestamp(s.Start),
		trace.WithAttributes(s.Attributes...),
		trace.WithLinks(s.Links...))
	if s.ErrorType != "" {
		span.SetAttributes(keyErrorType.String(s.ErrorType))
		span.SetStatus(codes.Error, s.StatusMessage)
	}
	span.End(trace.WithTimestamp(s.End))
}

type idKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// contextIDs is an IDGenerator that gives each span the ids in its context.
type contextIDs struct{}

func (contextIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	id, _ := ctx.Value(idKey{}).(ids)
	if !id.trace.IsValid() {
		_, _ = rand.Read(id.trace[:])
	}
	return id.trace, spanID(id)
}

func (contextIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	id, _ := ctx.Value(idKey{}).(ids)
	return spanID(id)
}

// spanID makes up an id for a caller that gave none: an invalid one would be
// refused by every backend.
func spanID(id ids) trace.SpanID {
	if !id.span.IsValid() {
		_, _ = rand.Read(id.span[:])
	}
	return id.span
}

// newProvider makes a provider that the environment cannot bend: each option
// stands in for one that the SDK would read from it.
func newProvider(res *resource.Resource, q *queue) *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{
			AttributeValueLengthLimit:   -1,
			AttributeCountLimit:         -1,
			EventCountLimit:             -1,
			LinkCountLimit:              -1,
			AttributePerEventCountLimit: -1,
			AttributePerLinkCountLimit:  -1,
		}),
		sdktrace.WithIDGenerator(contextIDs{}),
		sdktrace.WithResource(res),
		sdktrace.WithSpanProcessor(processor{q}))
}

// processor queues spans as they end. Flushing is the Session's: the SDK's
// own ways end in the global error handler.
type processor struct{ q *queue }

func (processor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (p processor) OnEnd(s sdktrace.ReadOnlySpan)                 { p.q.push(s) }
func (processor) Shutdown(context.Context) error                  { return nil }
func (processor) ForceFlush(context.Context) error                { return nil }
