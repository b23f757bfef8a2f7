// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// endsWithin runs f, which must return within d, and returns what that did.
func endsWithin(t *testing.T, what string, d time.Duration, f func() error) error {
	t.Helper()
	begin := time.Now()
	err := f()
	if took := time.Since(begin); took > d {
		t.Errorf("%s returned after %s, want %s", what, took, d)
	}
	return err
}

// joining is a server with one RPC, and what became of its stop.
type joining struct {
	*server.Server
	lis     *servertest.Listener
	flushed chan time.Time
	reports chan *tracer.Report
	rpc     <-chan error
}

func newJoining(t *testing.T, handler func(context.Context) error, opts ...grpc.ServerOption,
) *joining {
	t.Helper()
	j := &joining{
		lis: servertest.Listen(), flushed: make(chan time.Time, 2), reports: make(chan *tracer.Report, 2),
	}
	j.Server = server.New(newTracer(t, tracer.WithReport(func(r *tracer.Report) { j.reports <- r })),
		append(opts, server.GracePeriod(20*time.Second),
			server.WithFlush("otel", func(context.Context) error {
				<-time.After(time.Second)
				j.flushed <- time.Now()
				return nil
			}))...)
	greeterv1.RegisterGreeterServer(j, &chatter{hello: handler})
	return j
}

func (j *joining) call(t *testing.T) {
	t.Helper()
	j.rpc = hello(t, j.lis, time.Hour)
	synctest.Wait()
}

// wantForced says that the stop was a forced one, that its report is whole, and
// that the application's flush has run once.
func (j *joining) wantForced(t *testing.T, what string, err error, phases ...tracer.Phase) {
	t.Helper()
	var forced *server.DeadlineError
	if !errors.As(err, &forced) {
		t.Fatalf("%s: %v, want a *DeadlineError", what, err)
	}
	if r := <-j.reports; r != forced.Report || r.Outcome != tracer.OutcomeForced {
		t.Errorf("%s: %s %q", what, r.Outcome, r.Verdict)
	}
	for _, p := range phases {
		if _, ok := phaseOf(forced.Report, p); !ok {
			t.Errorf("no phase %s: %q", p, forced.Report.Verdict)
		}
	}
	if n := len(j.flushed); n != 1 {
		t.Errorf("the application's flush has run %d times", n)
	}
}

func phaseOf(r *tracer.Report, name tracer.Phase) (p tracer.PhaseReport, ok bool) {
	for _, p := range r.Phases {
		if p.Name == name {
			return p, true
		}
	}
	return p, false
}

func untilCut(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestRunAfterGracefulStop: somebody has called GracefulStop, which an RPC holds.
// The signal that comes then has a deadline all the same.
func TestRunAfterGracefulStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoining(t, untilCut)
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- j.Run(ctx, j.lis) }()
		j.call(t)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			j.GracefulStop()
		}()
		<-time.After(500 * time.Millisecond)
		cancel()
		err := endsWithin(t, "Run", 20*time.Second, func() error { return <-ran })
		j.wantForced(t, "Run", err, tracer.PhaseConnWait, tracer.PhaseForcedStop)
		<-stopped
		if <-j.rpc == nil {
			t.Error("the RPC was not cut")
		}
	})
}

// TestShutdownAfterStop: a Stop waits for a handshake, for ConnectionTimeout. The
// Shutdown that joins it does not, and the same of GracefulStop tells the others.
func TestShutdownAfterStop(t *testing.T) {
	for _, test := range []struct {
		name string
		stop func(*server.Server)
	}{
		{"Stop", (*server.Server).Stop},
		{"GracefulStop", (*server.Server).GracefulStop},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newJoining(t, untilCut)
				served := make(chan error, 1)
				go func() { served <- j.Serve(j.lis) }()
				silent(t, j.lis)
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					test.stop(j.Server)
				}()
				synctest.Wait()
				// A quarter of the drain, at most 5 s, and the flush.
				_ = endsWithin(t, "Shutdown", 6*time.Second, func() error {
					return j.Shutdown(context.Background())
				})
				<-stopped
				if err := <-served; err != nil {
					t.Errorf("Serve: %v", err)
				}
				if n := len(j.flushed); n != 1 {
					t.Errorf("the application's flush has run %d times", n)
				}
			})
		})
	}
}

// TestStopDuringShutdown: a Stop ends a Shutdown now, with all that comes after
// grpc's stop; a handler that ignores its context is left behind.
func TestStopDuringShutdown(t *testing.T) {
	for _, test := range []struct {
		name   string
		orphan bool
	}{
		{name: "a handler that ends"},
		{name: "a handler that does not", orphan: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.orphan && lockedByHandlers() {
				t.Skip("Stop waits for grpc's lock, which stops the bubble's time")
			}
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				j := newJoining(t, func(ctx context.Context) error {
					<-ctx.Done()
					if test.orphan {
						<-release
					}
					return ctx.Err()
				})
				served := make(chan error, 1)
				go func() { served <- j.Serve(j.lis) }()
				j.call(t)
				ended := make(chan error, 1)
				go func() { ended <- j.Shutdown(context.Background()) }()
				<-time.After(500 * time.Millisecond)
				begin := time.Now()
				_ = endsWithin(t, "Stop", 1200*time.Millisecond, func() error {
					j.Stop()
					return nil
				})
				err := endsWithin(t, "Shutdown", 0, func() error { return <-ended })
				j.wantForced(t, "Shutdown", err, tracer.PhaseForcedStop, tracer.PhaseAppFlush)
				if at := <-j.flushed; at.Sub(begin) < time.Second {
					t.Errorf("flushed %s after Stop was called", at.Sub(begin))
				}
				<-served
				close(release)
				<-j.rpc
			})
		})
	}
}

// TestStopBeforeTheCall: a Stop ends what comes before grpc's stop, too, be it a
// lame duck or a health server that hangs, and what it cuts is counted.
func TestStopBeforeTheCall(t *testing.T) {
	for _, test := range []struct {
		name string
		opt  func(release <-chan struct{}) grpc.ServerOption
	}{
		{"lame duck", func(<-chan struct{}) grpc.ServerOption { return server.LameDuck(8 * time.Second) }},
		{"not serving", func(release <-chan struct{}) grpc.ServerOption {
			return server.Health(flip(func() { <-release }))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				j := newJoining(t, untilCut, test.opt(release))
				served := make(chan error, 1)
				go func() { served <- j.Serve(j.lis) }()
				j.call(t)
				ended := make(chan error, 1)
				go func() { ended <- j.Shutdown(context.Background()) }()
				<-time.After(500 * time.Millisecond)
				_ = endsWithin(t, "Stop", time.Second, func() error { // the application's flush
					j.Stop()
					return nil
				})
				err := <-ended
				j.wantForced(t, "Shutdown", err, tracer.Phase(test.name), tracer.PhaseForcedStop)
				var forced *server.DeadlineError
				if errors.As(err, &forced) && len(forced.Report.RPCsCut) != 1 {
					t.Errorf("cut: %v", forced.Report.RPCsCut)
				}
				<-served
				<-j.rpc
			})
		})
	}
}
