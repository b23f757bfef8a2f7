// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// factory makes a span exporter. It is called in the background, never on the
// path of an RPC or of the shutdown.
type factory = func(context.Context) (sdktrace.SpanExporter, error)

// Config is what [New] needs. The zero value exports by the OTEL_* variables.
type Config struct {
	// Logger gets the probe's result and warnings about the configuration.
	// By default, slog.Default().
	Logger *slog.Logger

	// Factory makes the exporter, once for the probe at start and once at each
	// Open; after an error it is called again until Flush ends. With a Factory
	// the OTEL_EXPORTER_OTLP_* variables are neither read nor checked.
	// By default, OTLP over gRPC or HTTP, by OTEL_EXPORTER_OTLP_PROTOCOL.
	Factory func(context.Context) (sdktrace.SpanExporter, error)

	// Resource describes the process. It wins over OTEL_RESOURCE_ATTRIBUTES
	// and OTEL_SERVICE_NAME, and these over host.name, process.pid, a random
	// service.instance.id and telemetry.sdk.*, which are always set.
	Resource *resource.Resource

	// Disabled does what OTEL_SDK_DISABLED=true does.
	Disabled bool

	// SpoolDir is a directory, made if there is none, in which spans are kept until
	// the collector has them: what it does not take is sent by the next start, see
	// [Exporter.Recover]. It must be ours and closed to others, or there is no spool
	// and one warning. It takes at most 8 MiB. Linux, macOS and BSD only. By
	// default, nothing is kept.
	SpoolDir string

	// SpoolLog gets the same lines, of at most 15 KiB, as soon as the collector has
	// not taken a span within 1 s. By default, nobody does.
	SpoolLog io.Writer

	// ScopeName, ScopeVersion and SchemaURL are the instrumentation scope of
	// every span: the handle for a collector's policies.
	ScopeName    string
	ScopeVersion string
	SchemaURL    string

	dial dialer // of a network in memory, for tests; nil: the network's
}

// closeWait bounds how long Close waits for a user's exporter that ignores
// its context.
const closeWait = time.Second

// Exporter holds the checked configuration between the start of the process
// and its shutdown. Its methods may be called from any goroutine.
type Exporter struct {
	cfg      Config
	log      *slog.Logger
	build    factory
	res      *resource.Resource
	service  string
	endpoint string
	enabled  bool

	// answered is set once a collector answered the probe: a later absence
	// is then worth waiting for.
	answered atomic.Bool

	stopProbe context.CancelFunc
	probed    chan struct{} // closed when the probe's goroutine has ended

	recovery
	said sync.Map // what is said once: spools that are off, a warning of the collector's

	mu       sync.Mutex // guards following
	sessions map[*Session]struct{}
}

// New checks the configuration and starts one probe in the background: build
// an exporter, send an empty batch, close. The probe takes at most 5 s and its
// result is one log record. ctx gives the probe its values; its cancellation
// is not inherited.
//
// The error names each variable that is wrong and its value. With
// OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none nothing else is checked.
func New(ctx context.Context, cfg Config) (*Exporter, error) {
	e := &Exporter{cfg: cfg, log: cfg.Logger, probed: make(chan struct{})}
	if e.log == nil {
		e.log = slog.Default()
	}
	e.stopProbe = func() {}
	close(e.probed)

	enabled := false
	if !cfg.Disabled {
		var err error
		if enabled, err = envEnabled(cfg.Factory == nil, e.log); err != nil {
			return nil, fmt.Errorf("exporter: %w", err)
		}
	}
	if err := e.describe(enabled); err != nil {
		return nil, err
	}
	if !enabled {
		return e, nil
	}
	e.enabled = true
	e.sessions = make(map[*Session]struct{})
	e.startProbe(context.WithoutCancel(ctx))
	return e, nil
}

// describe sets what spans say about the process and where they go. What a
// disabled exporter would find wrong is nobody's concern.
func (e *Exporter) describe(enabled bool) error {
	res, service, err := newResource(e.cfg.Resource)
	e.res, e.service = res, service
	if !enabled {
		return nil
	}
	e.build = e.cfg.Factory
	if e.build == nil {
		e.build = otlpFactory(e.cfg.dial)
		set, setErr := readSettings()
		err = errors.Join(err, setErr)
		e.endpoint = set.endpoint
		if err == nil {
			set.warn(e.log)
		}
	}
	if err != nil {
		return fmt.Errorf("exporter: %w", err)
	}
	if unknownService(service) {
		e.log.Warn("service name not set", "service_name", service,
			"fix", "set OTEL_SERVICE_NAME")
	}
	return nil
}

// Enabled reports whether spans are exported at all. It is false with
// OTEL_SDK_DISABLED=true or OTEL_TRACES_EXPORTER=none; Open then gives a
// session that takes spans and does nothing.
func (e *Exporter) Enabled() bool { return e.enabled }

// ServiceName is the service.name that spans carry.
func (e *Exporter) ServiceName() string { return e.service }

// ServiceVersion is the service.version that spans carry, if any.
func (e *Exporter) ServiceVersion() string {
	version, _ := e.res.Set().Value(keyServiceVersion)
	return version.AsString()
}

// Endpoint is where spans go, without credentials, for people to read. It is
// empty with a Factory and when the exporter is not enabled.
func (e *Exporter) Endpoint() string { return e.endpoint }

// Close stops the probe, ends sessions that were not flushed and waits for
// their goroutines, for at most a second each. What these sessions still held
// is lost, and in their Result.
func (e *Exporter) Close() {
	e.stopProbe()
	e.stopRecovery()
	wait(e.probed, closeWait)
	e.awaitRecovery()

	e.mu.Lock()
	open := make([]*Session, 0, len(e.sessions))
	for s := range e.sessions {
		open = append(open, s)
	}
	e.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range open {
		s.cancel()
		wait(s.done, closeWait)
		s.Flush(ctx)
	}
}

// wait returns when done is closed or after limit.
func wait(done <-chan struct{}, limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
