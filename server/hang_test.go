// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// blocker is a log handler that hangs at one message until it is released.
type blocker struct {
	slog.Handler
	at      string
	release <-chan struct{}
}

func (b *blocker) Enabled(context.Context, slog.Level) bool { return true }

func (b *blocker) Handle(_ context.Context, r slog.Record) error {
	if r.Message == b.at {
		<-b.release
	}
	return nil
}

// slowConn takes its time to close.
type slowConn struct{ net.Conn }

func (c slowConn) Close() error {
	<-time.After(5 * time.Second)
	return c.Conn.Close()
}

type slowConns struct{ net.Listener }

func (l slowConns) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return slowConn{c}, nil
}

// TestShutdownKeepsItsTime: nothing of the application's keeps Shutdown from
// returning by its deadline.
func TestShutdownKeepsItsTime(t *testing.T) {
	blocked := func(release <-chan struct{}, at string) tracer.Option {
		return tracer.WithLogger(slog.New(&blocker{slog.DiscardHandler, at, release}))
	}
	for _, test := range []struct {
		name   string
		opt    func(release <-chan struct{}) tracer.Option
		listen func(net.Listener) net.Listener
		grace  time.Duration
	}{
		{name: "a logger that hangs at the start", grace: 2 * time.Second,
			opt: func(r <-chan struct{}) tracer.Option { return blocked(r, "shutdown started") }},
		{name: "a logger that hangs at the end", grace: 2 * time.Second,
			opt: func(r <-chan struct{}) tracer.Option { return blocked(r, "shutdown finished") }},
		{name: "a receiver of the report that hangs", grace: 2 * time.Second,
			opt: func(r <-chan struct{}) tracer.Option {
				return tracer.WithReport(func(*tracer.Report) { <-r })
			}},
		{name: "connections that are slow to close", grace: 2 * time.Second,
			listen: func(l net.Listener) net.Listener { return slowConns{l} }},
		{name: "a tenth of a second", grace: 100 * time.Millisecond},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				var opts []tracer.Option
				if test.opt != nil {
					opts = append(opts, test.opt(release))
				}
				s := server.New(newTracer(t, opts...), server.GracePeriod(test.grace))
				greeterv1.RegisterGreeterServer(s, &greeter.Server{})
				mem := servertest.Listen()
				var lis net.Listener = mem
				if test.listen != nil {
					lis = test.listen(mem)
				}
				served := make(chan error, 1)
				go func() { served <- s.Serve(lis) }()
				silent, err := servertest.Silent(t.Context(), mem.Dial)
				if err != nil {
					t.Fatal(err)
				}
				first, second := hello(t, mem, time.Hour), hello(t, mem, time.Hour)
				synctest.Wait()
				begin := time.Now()
				err = s.Shutdown(context.Background())
				// finishSlack of package tracer
				if took := time.Since(begin); took > test.grace+50*time.Millisecond {
					t.Errorf("Shutdown returned after %s, want %s", took, test.grace)
				}
				var forced *server.DeadlineError
				if !errors.As(err, &forced) || forced.Report.Outcome != tracer.OutcomeForced {
					t.Errorf("Shutdown: %v, want a *DeadlineError with its report", err)
				}
				close(release)
				<-first
				<-second
				<-served
				_ = silent.Close()
				<-time.After(time.Minute) // what hangs ends by itself
			})
		})
	}
}

// TestStopInReport: the application may stop the server when it gets the report.
func TestStopInReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *server.Server
		reported := 0
		s = server.New(newTracer(t, tracer.WithReport(func(*tracer.Report) {
			reported++
			s.Stop()
			s.GracefulStop()
		})))
		begin := time.Now()
		s.GracefulStop()
		if took := time.Since(begin); took > 0 || reported != 1 {
			t.Errorf("GracefulStop returned after %s with %d reports, want at once with one", took, reported)
		}
	})
}

// TestStopCutsShutdown: Shutdown does not say that all is well when somebody
// else's Stop has cut RPCs.
func TestStopCutsShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGreeter(t)
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		call := hello(t, lis, time.Hour)
		synctest.Wait()
		results := make(chan error, 2)
		for range 2 { // the first, and one that joins
			go func() { results <- s.Shutdown(context.Background()) }()
			synctest.Wait()
		}
		s.Stop()
		for range 2 {
			var forced *server.DeadlineError
			if err := <-results; !errors.As(err, &forced) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Shutdown: %v, want a *DeadlineError that is not DeadlineExceeded", err)
			}
		}
		if <-call == nil {
			t.Error("the RPC was not cut")
		}
		<-served
	})
}

// TestListenerClosedFirst: a lame duck of the application's own is not part of
// the stop, and the client that was idle meanwhile held nothing.
func TestListenerClosedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var report *tracer.Report
		s := server.New(newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r })))
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		call := hello(t, lis, 0)
		if err := <-call; err != nil {
			t.Fatal(err)
		}
		_ = s.Unwrap().(*grpc.Server) // the listener is the application's
		_ = lis.Close()
		<-served
		<-time.After(10 * time.Second)
		s.GracefulStop()
		if report.Duration != 0 || report.Verdict != "graceful in 0µs, nothing held it" {
			t.Errorf("%s: %s; want nothing", report.Duration, report.Verdict)
		}
	})
}
