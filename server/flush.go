// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/tracer"
)

// flush is what the application does when its server has stopped.
type flush struct {
	name string
	f    func(context.Context) error
}

// WithFlush calls f at the end of [Server.Shutdown] and [Server.Run], when no
// handler runs any more or those that do were given up: for the application's own
// telemetry, such as its TracerProvider's Shutdown. Several run at the same time.
// ctx ends with what is left of the grace period, after 5 s at the latest; one
// that has not returned by then is left behind. name is its bar in the timeline;
// what it returns is logged and in the report, and changes no result. GracefulStop
// and Stop call none. By default, there is none.
func WithFlush(name string, f func(ctx context.Context) error) grpc.ServerOption {
	return option{apply: func(s *Server) error {
		if name == "" || f == nil {
			return fmt.Errorf("server: WithFlush(%q): needs a name and a func", name)
		}
		s.flushes = append(s.flushes, flush{name, f})
		return nil
	}}
}

// flushApp runs the application's flushes, at least for p's part of the budget,
// and once: another call waits for the first.
func (s *Server) flushApp(ctx context.Context, trace flushTrace, deadline time.Time, p plan) {
	if len(s.flushes) == 0 {
		return
	}
	limit := min(max(time.Until(deadline)-p.flush, 0), maxAppFlush)
	if s.flushing.Swap(true) {
		within(limit, s.flushed)
		return
	}
	defer close(s.flushed)
	defer trace.Step(tracer.PhaseAppFlush)()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	var left sync.WaitGroup
	for _, f := range s.flushes {
		done := trace.Part(f.name)
		left.Go(func() {
			err := f.run(ctx)
			done(err)
			if err != nil {
				s.t.Logger().Warn("app flush failed", "name", f.name, "err", err)
			}
		})
	}
	all := make(chan struct{})
	go func() { // waited for below, unless the application blocks
		defer close(all)
		left.Wait()
	}()
	if !within(limit, all) {
		within(flushSlack, all) // those that end with their context
	}
}

// flushSlack is for a flush that ends with its context to return.
const flushSlack = 10 * time.Millisecond

// flushTrace is told of the flushes.
type flushTrace interface {
	Step(p tracer.Phase) (done func())
	Part(name string) (done func(error))
}

// run turns a panic into an error: the server has stopped, its result is known,
// and the evidence has still to get out.
func (f *flush) run(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	if err = f.f(ctx); err != nil && errors.Is(err, ctx.Err()) {
		return fmt.Errorf("it did not end in time: %w", err)
	}
	return err
}
