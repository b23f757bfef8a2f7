// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
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

// serving is a server in a bubble, which is being served.
type serving struct {
	*server.Server
	lis    *servertest.Listener
	served chan error
}

func serve(t *testing.T, opts ...grpc.ServerOption) *serving {
	t.Helper()
	return serveWith(t, newTracer(t), opts...)
}

func serveWith(t *testing.T, tr *tracer.Tracer, opts ...grpc.ServerOption) *serving {
	t.Helper()
	s := &serving{server.New(tr, opts...), servertest.Listen(), make(chan error, 1)}
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	go func() { s.served <- s.Serve(s.lis) }()
	synctest.Wait()
	return s
}

// TestLameDuckServesOn: until the lame duck is over the server is as it was.
func TestLameDuckServesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, server.LameDuck(3*time.Second))
		begin := time.Now()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(context.Background()) }()
		<-time.After(2 * time.Second)
		select {
		case <-s.Draining():
			t.Error("it drains during the lame duck")
		default:
		}
		if err := <-hello(t, s.lis, 0); err != nil {
			t.Errorf("a new client: %v", err)
		}
		<-s.Draining()
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("it drains after %s, want 3s", took)
		}
		if err := <-ended; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-s.served
	})
}

// TestLameDuckEnds: what cannot help is not waited for.
func TestLameDuckEnds(t *testing.T) {
	for _, test := range []struct {
		name  string
		grace time.Duration
		hurry func(s *serving, cancel context.CancelFunc)
		takes time.Duration
		err   error
	}{
		{"a Stop", 20 * time.Second, func(s *serving, _ context.CancelFunc) {
			<-time.After(time.Second)
			s.Stop()
		}, time.Second, nil},
		{"the context is cancelled", 20 * time.Second, func(_ *serving, cancel context.CancelFunc) {
			<-time.After(time.Second)
			cancel()
		}, time.Second, nil},
		{"the listener is closed", 20 * time.Second, nil, 0, nil},
		{"half of a short grace period", 2 * time.Second, func(*serving, context.CancelFunc) {},
			800 * time.Millisecond, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, server.LameDuck(10*time.Second), server.GracePeriod(test.grace))
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if test.hurry == nil {
					_ = s.lis.Close()
					synctest.Wait()
				} else {
					go test.hurry(s, cancel)
				}
				begin := time.Now()
				if err := s.Shutdown(ctx); !errors.Is(err, test.err) {
					t.Errorf("Shutdown: %v, want %v", err, test.err)
				}
				if took := time.Since(begin); took != test.takes {
					t.Errorf("Shutdown returned after %s, want %s", took, test.takes)
				}
				<-s.served
			})
		})
	}
}

// TestStopInLameDuckCuts: a Stop during the lame duck is a forced stop.
func TestStopInLameDuckCuts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, server.LameDuck(10*time.Second))
		call := hello(t, s.lis, time.Hour)
		synctest.Wait()
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(context.Background()) }()
		<-time.After(2500 * time.Millisecond)
		s.Stop()
		var forced *server.DeadlineError
		if err := <-ended; !errors.As(err, &forced) {
			t.Fatalf("Shutdown: %v, want a *DeadlineError", err)
		}
		r := forced.Report
		if r.Outcome != tracer.OutcomeForced || r.RPCsCut["greeter.v1.Greeter/SayHello"] != 1 {
			t.Errorf("%s: %s, cut %v", r.Outcome, r.Verdict, r.RPCsCut)
		}
		duck := r.Phases[0]
		if duck.Name != tracer.PhaseLameDuck || time.Duration(duck.Duration) != 2500*time.Millisecond {
			t.Errorf("the first phase: %+v", duck)
		}
		if <-call == nil {
			t.Error("the RPC was not cut")
		}
		<-s.served
	})
}

// TestGracefulStopHasNoLameDuck: it is grpc's, and so is its time.
func TestGracefulStopHasNoLameDuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flush := func(context.Context) error {
			t.Error("GracefulStop flushes")
			return nil
		}
		s := serve(t, server.LameDuck(10*time.Second), server.WithFlush("traces", flush))
		begin := time.Now()
		s.GracefulStop()
		if took := time.Since(begin); took != 0 {
			t.Errorf("GracefulStop took %s", took)
		}
		<-s.Draining()
		<-s.served
	})
}
