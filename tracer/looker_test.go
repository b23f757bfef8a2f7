// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/stack"
)

// TestOneDumpForAll: the world stands still once for servers that stop together,
// and not for one that stops later. No dump is kept.
func TestOneDumpForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := newTestTracer(t)
		dumps := 0
		tr.looker.capture = func(limit int) stack.Dump {
			dumps++
			return stack.Capture(limit)
		}
		stops := make([]*Shutdown, 5)
		for i := range stops {
			of := tr.ForServer()
			defer of.Table().End(of.Table().Begin(context.Background(), sayHello))
			stops[i], _ = of.BeginShutdown(Call{Graceful: true})
			defer stops[i].Finish(context.Background())
		}
		time.Sleep(lookAt) // of the bubble's
		synctest.Wait()
		if dumps != 1 {
			t.Errorf("%d dumps at the second checkpoint, want one", dumps)
		}
		time.Sleep(sec)
		tr.looker.mu.Lock()
		if tr.looker.last != nil {
			t.Error("the dump is kept")
		}
		tr.looker.mu.Unlock()
		var all sync.WaitGroup
		for _, s := range stops {
			all.Go(func() { s.Forced() })
		}
		all.Wait()
		if dumps != 2 {
			t.Errorf("%d dumps after the forced stops, want two", dumps)
		}
		for i, s := range stops {
			if n := len(s.timeline().dumps); n != 2 {
				t.Errorf("shutdown %d has %d dumps, want 2", i, n)
			}
		}
		time.Sleep(100 * ms)
		late, _ := tr.ForServer().BeginShutdown(Call{Graceful: true})
		defer late.Finish(context.Background())
		time.Sleep(ms)
		if late.Forced(); dumps != 3 {
			t.Errorf("%d dumps, want a third: the second was before the call", dumps)
		}
	})
}

// slowOnce is a logger that hangs, once, in the record of a checkpoint.
type slowOnce struct {
	slog.Handler
	once *sync.Once
}

func (s slowOnce) Handle(_ context.Context, r slog.Record) error {
	if r.Message == logProgress {
		s.once.Do(func() { time.Sleep(2500 * ms) })
	}
	return nil
}

// TestDumpAfterASlowCheckpoint: where the second checkpoint is skipped because the
// first took too long the goroutines are dumped at the next one.
func TestDumpAfterASlowCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, _ := newTestTracer(t, WithLogger(slog.New(slowOnce{
			slog.NewTextHandler(t.Output(), nil), &sync.Once{},
		})))
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		defer s.Finish(context.Background())
		time.Sleep(7 * sec)
		synctest.Wait()
		if n := len(s.timeline().dumps); n != 1 {
			t.Errorf("%d dumps, want one", n)
		}
	})
}
