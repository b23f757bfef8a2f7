// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

func TestMain(m *testing.M) {
	hermetic.ClearEnvironment()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} { // net/http reads them once
		_, _ = os.Unsetenv(name), os.Unsetenv(strings.ToLower(name))
	}
	goleak.VerifyTestMain(m)
}

// clean gives the test an environment without OTEL_* but for the pairs.
func clean(t *testing.T, pairs ...string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for i := 0; i < len(pairs); i += 2 {
		t.Setenv(pairs[i], pairs[i+1])
	}
}

// logs is a slog.Logger that remembers its records as text.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logs) count(s string) int { return strings.Count(l.String(), s) }

// mustNew makes an exporter that is closed with the test.
func mustNew(t *testing.T, cfg Config) *Exporter {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// fake is an exporter in memory. export, when set, decides what becomes of a
// batch; calls count from 1.
type fake struct {
	export func(ctx context.Context, call int, spans []sdktrace.ReadOnlySpan) error

	mu    sync.Mutex
	calls int
	spans []sdktrace.ReadOnlySpan
	shut  int
}

func (f *fake) factory(context.Context) (sdktrace.SpanExporter, error) { return f, nil }

func (f *fake) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil // the probe
	}
	f.mu.Lock()
	f.calls++
	call := f.calls
	f.mu.Unlock()
	if f.export != nil {
		if err := f.export(ctx, call, spans); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spans = append(f.spans, spans...)
	return nil
}

func (f *fake) Shutdown(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut++
	return nil
}

func (f *fake) called() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *fake) names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for _, s := range f.spans {
		names = append(names, s.Name())
	}
	return names
}

// span n of one trace; n is also its id.
func span(n int, name string) Span {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Span{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(n >> 8), byte(n), 1},
		Name: name, Start: start, End: start.Add(time.Second),
	}
}

func total(r Result) int {
	n := r.Sent
	for _, lost := range r.Lost {
		n += lost
	}
	return n
}
