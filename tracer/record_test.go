// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/exporter"
)

// sink is an exporter that keeps every span, in the order of their sending.
type sink struct {
	mu    sync.Mutex // guards following
	spans []sdktrace.ReadOnlySpan
}

func (k *sink) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil // the probe, which may come at any time
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.spans = append(k.spans, spans...)
	return nil
}

func (*sink) Shutdown(context.Context) error { return nil }

func (k *sink) factory(context.Context) (sdktrace.SpanExporter, error) { return k, nil }

// record returns what f sends. The wall clock is between two microseconds.
func record(tb testing.TB, f func(*spans)) []sdktrace.ReadOnlySpan {
	tb.Helper()
	return recordBelow(tb, origin{}, f)
}

// recordBelow does so of a shutdown that has a parent.
func recordBelow(tb testing.TB, o origin, f func(*spans)) []sdktrace.ReadOnlySpan {
	tb.Helper()
	k := &sink{}
	out, err := exporter.New(tb.Context(), exporter.Config{
		Logger: slog.New(slog.DiscardHandler), Factory: k.factory, ScopeName: scopeName,
	})
	if err != nil {
		tb.Fatal(err)
	}
	defer out.Close()
	session := out.Open()
	wall := time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)
	f(newSpans(session, wall.Truncate(tick), o))
	if r := session.Flush(tb.Context()); len(r.Lost) > 0 {
		tb.Fatalf("lost: %v, %v", r.Lost, r.Err)
	}
	return k.spans
}

// finished returns the spans of a whole shutdown.
func finished(t *testing.T, tl *timeline) []sdktrace.ReadOnlySpan {
	t.Helper()
	return record(t, func(s *spans) { s.finish(tl) })
}

// finish sends what a Shutdown sends at its end.
func (s *spans) finish(tl *timeline) {
	call, views := Call{Graceful: tl.graceful}, tl.views()
	s.begin(call)
	s.advance(tl, views)
	s.end(tl, tl.report(views, s.wall), call, tl.longest(views))
}

// attrsOf returns a span's attributes by key.
func attrsOf(sp sdktrace.ReadOnlySpan) map[string]any {
	all := make(map[string]any)
	for _, kv := range sp.Attributes() {
		all[string(kv.Key)] = kv.Value.AsInterface()
	}
	return all
}

func intOf(sp sdktrace.ReadOnlySpan, key string) int64 {
	for _, kv := range sp.Attributes() {
		if kv.Key == attribute.Key(key) {
			return kv.Value.AsInt64()
		}
	}
	return 0
}

// theSpan returns the only span of a name.
func theSpan(t *testing.T, spans []sdktrace.ReadOnlySpan, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	var found []sdktrace.ReadOnlySpan
	for _, sp := range spans {
		if sp.Name() == name {
			found = append(found, sp)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d spans named %q, want 1", len(found), name)
	}
	return found[0]
}

// named counts the spans of a name.
func (k *sink) named(name string) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.spans {
		if s.Name() == name {
			n++
		}
	}
	return n
}
