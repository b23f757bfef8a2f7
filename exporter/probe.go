// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	probeLimit    = 5 * time.Second
	shutdownLimit = 100 * time.Millisecond
)

// pinger is an exporter whose empty export reaches the collector.
// otlptrace's own ExportSpans returns at once when it is given no spans.
type pinger interface {
	ping(context.Context) error
}

// startProbe checks once that there is somebody to export to. It leaves no
// connection and no goroutine behind.
func (e *Exporter) startProbe(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	e.stopProbe = cancel
	e.probed = make(chan struct{})
	go func() {
		defer close(e.probed)
		defer cancel()
		answered, err := e.probe(ctx)
		if ctx.Err() != nil {
			return // Open or Close came first: the session will tell.
		}
		e.report(answered, err)
	}()
}

// probe says whether a collector answered, whatever the answer was.
func (e *Exporter) probe(ctx context.Context) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	exp, err := safeBuild(ctx, e.build)
	if err != nil {
		return false, err
	}
	defer safeShutdown(exp)
	if p, ok := exp.(pinger); ok {
		err = p.ping(ctx)
	} else {
		err = safeExport(ctx, exp, nil)
	}
	if w, ok := exp.(answerer); ok && w.answered() {
		e.answered.Store(true)
		answered = true
	}
	return answered, err
}

// report writes the one record of the probe.
func (e *Exporter) report(answered bool, err error) {
	endpoint := e.endpoint
	if endpoint == "" {
		endpoint = "custom exporter"
	}
	switch {
	case err == nil, answered && !refusesAll(err):
		e.log.Info("trace export ready", "endpoint", endpoint)
	case answered:
		e.log.Warn("trace export refused", "endpoint", endpoint, "err", scrubbed(err))
	default:
		e.log.Warn("trace export not reachable", "endpoint", endpoint, "err", scrubbed(err))
	}
}

// warned says once what a collector has said of spans that it took.
func (e *Exporter) warned(out outcome) {
	if out.err == nil {
		return
	}
	if _, said := e.said.LoadOrStore(saidWarning{}, true); !said {
		e.log.Warn("trace export warning", "err", out.err)
	}
}

// saidWarning is a key of Exporter.said.
type saidWarning struct{}

// panicError is a panic of a user's factory or exporter, caught.
type panicError struct{ value any }

func (p *panicError) Error() string { return fmt.Sprintf("exporter panicked: %v", p.value) }

func catch(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{value: v}
	}
}

func safeBuild(ctx context.Context, build factory) (exp sdktrace.SpanExporter, err error) {
	defer catch(&err)
	exp, err = build(ctx)
	if err == nil && exp == nil {
		err = errors.New("factory returned no exporter")
	}
	if err != nil {
		return nil, err
	}
	return exp, nil
}

func safeExport(
	ctx context.Context, exp sdktrace.SpanExporter, spans []sdktrace.ReadOnlySpan,
) (err error) {
	defer catch(&err)
	return exp.ExportSpans(ctx, spans)
}

// safeShutdown closes an exporter. There is nobody left to tell when that
// fails: what it took is already counted.
func safeShutdown(exp sdktrace.SpanExporter) {
	var err error
	defer catch(&err)
	ctx, cancel := context.WithTimeout(context.Background(), shutdownLimit)
	defer cancel()
	_ = exp.Shutdown(ctx)
}
