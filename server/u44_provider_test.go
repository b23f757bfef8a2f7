// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// deafExporter is an application's whose collector does not answer.
type deafExporter struct{ dropped }

func (deafExporter) Shutdown(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// global makes p the application's provider, until the test ends.
func global(t *testing.T, p trace.TracerProvider) {
	t.Helper()
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(p)
	t.Cleanup(func() { otel.SetTracerProvider(before) })
}

// provided is what an application does with its global provider: before it serves,
// when it hears of the signal, and when the stop is over.
type provided struct{ before, heard, after func() }

// stop is what a stop of 8 s sends and logs, but for ids: with the times, which are
// a bubble's.
func (p provided) stop(t *testing.T) (lines []string) {
	t.Helper()
	do := func(f func()) {
		if f != nil {
			f()
		}
	}
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		do(p.before)
		<-time.After(time.Until(begun.Add(time.Minute)))
		spans, lis, log := &kept{}, servertest.Listen(), &bytes.Buffer{}
		s := server.New(newTracer(t, spans.option(), tracer.WithLogger(slog.New(withoutIDs(log)))))
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		synctest.Wait() // for the probe
		short := hello(t, lis, 2500*time.Millisecond)
		synctest.Wait()
		long := hello(t, lis, time.Hour)
		synctest.Wait()
		heard := make(chan struct{})
		go func() { defer close(heard); do(p.heard) }()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err == nil {
			t.Error("Shutdown was not forced")
		}
		<-short
		<-long
		<-served
		<-heard
		do(p.after)
		lines = append(linesOf(spans.spans), strings.Split(log.String(), "\n")...)
	})
	return lines
}

func withoutIDs(to *bytes.Buffer) slog.Handler {
	return slog.NewTextHandler(to, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == "trace_id" {
				return slog.Attr{}
			}
			return a
		},
	})
}

// linesOf is a line for each span: where it is in the tree, when it was, and its
// attributes.
func linesOf(spans []sdktrace.ReadOnlySpan) (lines []string) {
	byID := make(map[trace.SpanID]sdktrace.ReadOnlySpan)
	for _, s := range spans {
		byID[s.SpanContext().SpanID()] = s
	}
	for _, s := range spans {
		path := s.Name()
		for p := byID[s.Parent().SpanID()]; p != nil; p = byID[p.Parent().SpanID()] {
			path = p.Name() + " / " + path
		}
		attrs := slices.Clone(s.Attributes())
		slices.SortFunc(attrs, func(a, b attribute.KeyValue) int { return cmp.Compare(a.Key, b.Key) })
		lines = append(lines, fmt.Sprintf("%s %v %v %v %v %v", path, s.StartTime().UTC(), s.EndTime().UTC(),
			s.Status(), s.InstrumentationScope(), attrs))
	}
	slices.Sort(lines)
	return lines
}

// ownProvider is an application's, which exports.
func ownProvider(e sdktrace.SpanExporter) *sdktrace.TracerProvider {
	return sdktrace.NewTracerProvider(sdktrace.WithSyncer(e))
}

// wantSameStop expects the stop of an application that has no provider.
func (p provided) wantSameStop(t *testing.T) {
	t.Helper()
	want := provided{}.stop(t)
	if !strings.Contains(want[len(want)-2], "the forced stop released it, cutting 1 RPC") {
		t.Fatalf("the last record is %q", want[len(want)-2])
	}
	if diff := gocmp.Diff(want, p.stop(t)); diff != "" {
		t.Errorf("(-without a provider +with it):\n%s", diff)
	}
}

func shut(p *sdktrace.TracerProvider) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.Shutdown(ctx)
}

// TestU44ProviderNeverShutDown: nobody shuts the global provider down, or only
// when all is over (gofr #3771). The stop's spans come by their own way.
func TestU44ProviderNeverShutDown(t *testing.T) {
	p := ownProvider(&kept{})
	none := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))
	for name, does := range map[string]provided{
		"never":           {before: func() { global(t, p) }},
		"after the stop":  {before: func() { global(t, p) }, after: func() { shut(p) }},
		"samples nothing": {before: func() { global(t, none) }},
	} {
		t.Run(name, does.wantSameStop)
	}
}

// TestU45ProviderShutDownEarly: the global provider is shut down before the stop,
// at its beginning, as auto-instrumentation does, or in the middle of it (go-zero
// #5531), where that may hang. The stop's spans come all the same.
func TestU45ProviderShutDownEarly(t *testing.T) {
	for name, does := range map[string]func(p *sdktrace.TracerProvider) provided{
		"before": func(p *sdktrace.TracerProvider) provided {
			return provided{before: func() { shut(p) }}
		},
		"at the signal": func(p *sdktrace.TracerProvider) provided {
			return provided{heard: func() { shut(p) }}
		},
		"during the stop": func(p *sdktrace.TracerProvider) provided {
			return provided{heard: func() { <-time.After(2 * time.Second); shut(p) }}
		},
		"another takes its place": func(p *sdktrace.TracerProvider) provided {
			return provided{heard: func() { global(t, ownProvider(&kept{})); shut(p) }}
		},
	} {
		for _, e := range []sdktrace.SpanExporter{&kept{}, deafExporter{}} {
			t.Run(fmt.Sprintf("%s/%T", name, e), func(t *testing.T) {
				p := ownProvider(e)
				global(t, p)
				does(p).wantSameStop(t)
			})
		}
	}
}
