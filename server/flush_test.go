// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestWithFlush: flushes run at the same time, when no handler runs any more, and
// nothing that they do changes what Shutdown returns.
func TestWithFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var call <-chan error
		var mu sync.Mutex // guards following
		var rpcEnded time.Time
		var ran []string
		after := func(name string, d time.Duration, err error) grpc.ServerOption {
			return server.WithFlush(name, func(ctx context.Context) error {
				began := time.Now()
				if _, ok := ctx.Deadline(); !ok {
					t.Errorf("%s has no deadline", name)
				}
				<-time.After(d)
				mu.Lock()
				defer mu.Unlock()
				if began.Before(rpcEnded) {
					t.Errorf("%s is flushed while an RPC runs", name)
				}
				ran = append(ran, name)
				return err
			})
		}
		var report *tracer.Report
		tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r }))
		s := serveWith(t, tr,
			after("metrics", time.Second, nil), after("traces", 2*time.Second, errors.New("refused")),
			server.WithFlush("logs", func(context.Context) error { panic("half done") }))
		call = hello(t, s.lis, 500*time.Millisecond)
		synctest.Wait()
		go func() {
			<-call
			mu.Lock()
			defer mu.Unlock()
			rpcEnded = time.Now()
		}()
		begin := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(begin); took != 2500*time.Millisecond {
			t.Errorf("Shutdown returned after %s, want the RPC's 500ms and the longer flush's 2s", took)
		}
		if len(ran) != 2 {
			t.Errorf("flushed: %v", ran)
		}
		last := report.Phases[len(report.Phases)-1]
		if last.Name != tracer.PhaseAppFlush || len(last.Bars) != 3 {
			t.Fatalf("the last phase: %+v", last)
		}
		for i, want := range []string{"took 1.0s", "failed: refused", "failed: panic: half done"} {
			if got := last.Bars[i].Note; got != want {
				t.Errorf("%s: %q, want %q", last.Bars[i].Name, got, want)
			}
		}
		<-s.served
	})
}

// TestFlushHangs: a flush that ignores its context has a bound, and one more when
// the grace period is nearly used up.
func TestFlushHangs(t *testing.T) {
	for _, test := range []struct {
		name string
		hold time.Duration // of an RPC
		took time.Duration
	}{
		{"with time left", 0, 5 * time.Second},
		// 20 s, less 1 s for our own flush
		{"after a forced stop", time.Hour, 19 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				s := serve(t, server.GracePeriod(20*time.Second),
					server.WithFlush("traces", func(context.Context) error { <-release; return nil }))
				var call <-chan error
				if test.hold > 0 {
					call = hello(t, s.lis, test.hold)
					synctest.Wait()
				}
				begin := time.Now()
				_ = s.Shutdown(context.Background())
				const slack = 20 * time.Millisecond
				if took := time.Since(begin); took < test.took || took > test.took+slack {
					t.Errorf("Shutdown returned after %s, want %s", took, test.took)
				}
				close(release)
				if call != nil {
					<-call
				}
				<-s.served
			})
		})
	}
}
