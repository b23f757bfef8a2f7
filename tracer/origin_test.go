// SPDX-License-Identifier: Apache-2.0

package tracer_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/tracer"
)

// kept is an exporter that keeps every span.
type kept struct {
	mu    sync.Mutex // guards following
	spans []sdktrace.ReadOnlySpan
}

func (k *kept) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, spans...)
	return nil
}

func (*kept) Shutdown(context.Context) error { return nil }

// named returns the only span of a name.
func (k *kept) named(t *testing.T, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	var found []sdktrace.ReadOnlySpan
	for _, s := range k.spans {
		if s.Name() == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans named %q, want 1", len(found), name)
	}
	return found[0]
}

// shutdown traces an empty shutdown and returns its spans and log.
func shutdown(t *testing.T, opts ...tracer.Option) (*kept, string) {
	t.Helper()
	k, log := &kept{}, &bytes.Buffer{}
	tr, err := tracer.New(context.Background(), append([]tracer.Option{
		tracer.WithLogger(slog.New(slog.NewTextHandler(log, nil))),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return k, nil }),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := tr.BeginShutdown(tracer.Call{Graceful: true})
	s.Returned()
	s.Finish(context.Background())
	tr.Close()
	return k, log.String()
}

const (
	rolloutTrace = "0af7651916cd43dd8448eb211c80319c"
	rolloutSpan  = "b7ad6b7169203331"
)

// TestTraceParentIsALink: the rollout that made the pod is not what stops it.
func TestTraceParentIsALink(t *testing.T) {
	t.Setenv("TRACEPARENT", "00-"+rolloutTrace+"-"+rolloutSpan+"-01")
	k, _ := shutdown(t)
	for _, name := range []string{"grpc.server.shutdown", "grpc.server.shutdown started"} {
		s := k.named(t, name)
		if s.Parent().IsValid() {
			t.Errorf("%s has a parent, want a link only", name)
		}
		if l := s.Links(); len(l) != 1 || l[0].SpanContext.TraceID().String() != rolloutTrace ||
			l[0].SpanContext.SpanID().String() != rolloutSpan {
			t.Errorf("links of %s: %v, want the one of TRACEPARENT", name, l)
		}
		if s.SpanContext().TraceID().String() == rolloutTrace {
			t.Errorf("%s is in the rollout's trace", name)
		}
	}
}

func TestBadTraceParentIsSaid(t *testing.T) {
	t.Setenv("TRACEPARENT", "not\x1b[31m-one")
	k, log := shutdown(t)
	if l := k.named(t, "grpc.server.shutdown").Links(); len(l) != 0 {
		t.Errorf("links: %v, want none", l)
	}
	if !strings.Contains(log, "TRACEPARENT") || strings.Contains(log, "\x1b") {
		t.Errorf("the log does not warn of TRACEPARENT, or shows it raw:\n%s", log)
	}
}

// TestTraceState: what a vendor adds goes with the link; what is none is said, and
// costs the link nothing else.
func TestTraceState(t *testing.T) {
	t.Setenv("TRACEPARENT", "00-"+rolloutTrace+"-"+rolloutSpan+"-01")
	for _, tt := range []struct {
		state, want string
		warns       bool
	}{
		{"", "", false},
		{"vendor=a,other=b", "vendor=a,other=b", false},
		{"not\x1b[31m-one", "", true},
		{"vendor=a,vendor=b", "", true},
	} {
		t.Setenv("TRACESTATE", tt.state)
		k, log := shutdown(t)
		for _, name := range []string{"grpc.server.shutdown", "grpc.server.shutdown started"} {
			l := k.named(t, name).Links()
			if len(l) != 1 || l[0].SpanContext.TraceState().String() != tt.want {
				t.Errorf("%q: links of %s: %v, want %q", tt.state, name, l, tt.want)
			}
		}
		if warns := strings.Contains(log, "TRACESTATE"); warns != tt.warns || strings.Contains(log, "\x1b") {
			t.Errorf("%q: want a warning: %t:\n%s", tt.state, tt.warns, log)
		}
	}
}

// TestWithParent: the root is in its parent's trace; started has no parent in
// any case, or a killed run would have no root.
func TestWithParent(t *testing.T) {
	traceID, _ := trace.TraceIDFromHex(rolloutTrace)
	spanID, _ := trace.SpanIDFromHex(rolloutSpan)
	parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID})
	k, _ := shutdown(t,
		tracer.WithParent(trace.ContextWithSpanContext(context.Background(), parent)))
	root, started := k.named(t, "grpc.server.shutdown"), k.named(t, "grpc.server.shutdown started")
	if root.Parent().SpanID() != spanID || root.SpanContext().TraceID() != traceID {
		t.Errorf("the root's parent is %v in %v", root.Parent().SpanID(), root.SpanContext().TraceID())
	}
	if started.Parent().IsValid() || started.SpanContext().TraceID() != traceID {
		t.Errorf("started: parent %v, trace %v; want none and the same trace",
			started.Parent().SpanID(), started.SpanContext().TraceID())
	}
	_, err := tracer.New(context.Background(), tracer.WithParent(context.Background()))
	if err == nil || !strings.Contains(err.Error(), "WithParent") {
		t.Errorf("WithParent of a context without a span: %v, want an error that names it", err)
	}
}
