// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/stack"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// scopeName is the instrumentation scope of every span: the handle for a
// collector's policies.
const scopeName = "github.com/gracetrace/gracetrace/tracer"

// schemaURL names the semantic conventions whose keys are used.
const schemaURL = "https://opentelemetry.io/schemas/1.43.0"

// Tracer watches one server and traces its shutdowns. It is safe for concurrent
// use. A nil *Tracer is refused by package server and ignored by package
// interceptors.
type Tracer struct {
	*core
	table   *watch.Server
	claimed atomic.Bool // a server has this table

	mu      sync.Mutex // guards following
	current *Shutdown  // being traced
}

// core is what the Tracers of one process share.
type core struct {
	cfg     *config
	out     *exporter.Exporter
	live    live
	looker  looker
	outlive outliving
	resets  resetCount // when the process began to be watched
}

// New makes a Tracer. It checks the options and the GRACETRACE_* environment
// variables, then the OTEL_* ones, and returns an error that names what is wrong
// and its value. It connects to nothing, but for one probe of the collector in the
// background whose result is a log record. ctx gives the probe its values.
func New(ctx context.Context, opts ...Option) (*Tracer, error) {
	cfg, err := newConfig(opts, !hermetic.Is(ctx))
	if err != nil {
		return nil, fmt.Errorf("tracer: %w", err)
	}
	out, err := exporter.New(ctx, exporter.Config{
		Logger: cfg.log, Factory: cfg.factory, Resource: cfg.resource,
		Disabled: hermetic.Is(ctx) && cfg.factory == nil,
		SpoolDir: cfg.spool.dir, SpoolLog: cfg.spool.log,
		ScopeName: scopeName, ScopeVersion: version(), SchemaURL: schemaURL,
	})
	if err != nil {
		return nil, fmt.Errorf("tracer: %w", err)
	}
	t := newTracer(&core{
		cfg: cfg, out: out, resets: countResets(), looker: looker{capture: stack.Capture},
	})
	out.Recover(t.recoverLeft)
	return t, nil
}

func newTracer(c *core) *Tracer {
	t := &Tracer{core: c, table: watch.NewServer()}
	t.table.AllClosing = t.suspect
	t.table.Panicked = t.handlerPanicked
	return t
}

// Close ends the probe, if it still runs, a shutdown that nobody announced
// (see [Tracer.BeginShutdown]), whose spans it flushes for at most 2 s, and what
// is logged of handlers that have outlived a stop. A
// process that stops through package server need not call it.
func (t *Tracer) Close() {
	t.mu.Lock()
	s := t.current
	t.mu.Unlock()
	if s != nil {
		s.giveUp()
	}
	t.outlive.close()
	t.out.Close()
}

// ForServer returns the Tracer for one more server: t itself the first time,
// then one that shares t's pipeline and options but watches another server.
// Package server calls it.
func (t *Tracer) ForServer() *Tracer {
	if t.claimed.CompareAndSwap(false, true) {
		return t
	}
	f := newTracer(t.core)
	f.claimed.Store(true)
	return f
}

// Logger is where the log records go.
func (t *Tracer) Logger() *slog.Logger { return t.cfg.log }

// Exporter says where the spans go: an endpoint, or none.
func (t *Tracer) Exporter() string {
	if !t.out.Enabled() {
		return "none"
	}
	if e := t.out.Endpoint(); e != "" {
		return e
	}
	return "custom"
}

// Spool says where spans are kept until the collector has them: a directory, log,
// or both; empty if there is no spool. That it cannot be used is a log record of
// its own.
func (t *Tracer) Spool() string {
	if !t.out.Enabled() {
		return ""
	}
	return t.cfg.spool.String()
}

// Table is what the sensors of package interceptors write to.
func (t *Tracer) Table() *watch.Server { return t.table }
