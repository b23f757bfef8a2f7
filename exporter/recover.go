// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/spool"
)

// recoveryLimit bounds what a start may try to send what earlier runs left; then
// it is for the next one.
const recoveryLimit = 2 * time.Minute

// recovery is the background work of a start.
type recovery struct {
	mu     sync.Mutex         // guards following
	cancel context.CancelFunc // nil: never begun
	done   chan struct{}
	over   bool // nothing begins any more
}

// Recover hands each spool file that an earlier run left in SpoolDir to f, one
// after another, in the background, until the process begins to stop. It drops
// files after 24 h. Package tracer calls it, once.
func (e *Exporter) Recover(f func(ctx context.Context, left *spool.Left)) {
	r := &e.recovery
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || !e.enabled || e.cfg.SpoolDir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), recoveryLimit)
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		defer cancel()
		if err := safely(func() error { return e.recoverAll(ctx, f) }); err != nil {
			e.spoolOff(e.cfg.SpoolDir, err)
		}
	}()
}

func (e *Exporter) recoverAll(ctx context.Context, f func(context.Context, *spool.Left)) error {
	// It is made now, so that what is wrong with it is said now.
	dir, err := spool.Open(e.cfg.SpoolDir, e.spoolDropped)
	if err != nil {
		return err
	}
	defer dir.Close()
	err = dir.Left(time.Now().Add(-spool.MaxAge), func(left *spool.Left) bool {
		if ctx.Err() == nil {
			f(ctx, left)
		}
		return ctx.Err() == nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.log.Warn("spool not recovered", "spool", e.cfg.SpoolDir, "err", err)
	}
	return nil
}

// stopRecovery leaves what is not recovered yet to the next start.
func (e *Exporter) stopRecovery() {
	r := &e.recovery
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.cancel != nil {
		r.cancel()
	}
}

func (e *Exporter) awaitRecovery() {
	r := &e.recovery
	r.mu.Lock()
	done := r.done
	r.mu.Unlock()
	if done != nil {
		wait(done, closeWait)
	}
}

// Send sends spans of another run as they are, and calls took with the place of each
// line that the collector has decided about. What may pass is tried again until ctx
// is over. A line that is refused for good does not keep the others: the error is
// the first of these, and so what is left is worth keeping. With a [Config.Factory]
// the spans are made anew, which a backend that compares the bytes of two copies may
// see.
//
// Package tracer calls it.
func (e *Exporter) Send(ctx context.Context, lines []*tracepb.TracesData, took func(line int)) error {
	if !e.enabled {
		return errors.New("spans are not exported: see OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER")
	}
	exp, err := safeBuild(ctx, e.build)
	if err != nil {
		return scrubbed(err)
	}
	defer safeShutdown(exp)
	return e.newResender(exp, lines, took).send(ctx)
}
