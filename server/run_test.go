// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// hello calls SayHello, which takes d, and gives the error on a channel.
func hello(t *testing.T, lis *servertest.Listener, d time.Duration) <-chan error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ended := make(chan error, 1)
	go func() {
		_, err := greeterv1.NewGreeterClient(conn).SayHello(context.Background(),
			&greeterv1.SayHelloRequest{Duration: durationpb.New(d)})
		ended <- err
	}()
	return ended
}

func newGreeter(t *testing.T, opts ...grpc.ServerOption) *server.Server {
	t.Helper()
	s := server.New(newTracer(t), opts...)
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	return s
}

// TestRunCancelled: cancelling Run's context is a signal like any other.
func TestRunCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		inside, outside := servertest.Listen(), servertest.Listen()
		s := newGreeter(t)
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx, inside, outside) }()
		first, second := hello(t, inside, 5*time.Second), hello(t, outside, 7*time.Second)
		synctest.Wait()
		begin := time.Now()
		cancel()
		if err := <-ran; err != nil {
			t.Errorf("Run: %v, want nil after a graceful stop", err)
		}
		if took := time.Since(begin); took != 7*time.Second {
			t.Errorf("Run returned after %s, want the 7s of the longer RPC", took)
		}
		if err := errors.Join(<-first, <-second); err != nil {
			t.Errorf("an RPC was cut: %v", err)
		}
	})
}

// TestRunCancelledAtOnce: a signal that comes before the listeners are served is
// no failure.
func TestRunCancelledAtOnce(t *testing.T) {
	for range 20 { // Serve's goroutine may or may not be first
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			lis := servertest.Listen()
			if err := newGreeter(t).Run(ctx, lis); err != nil {
				t.Errorf("Run: %v, want nil", err)
			}
			if _, err := lis.Dial(context.Background()); err == nil {
				t.Error("the listener is still open")
			}
		})
	}
}

// TestRunForced: the grace period bounds Run, and the error says who held.
func TestRunForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		lis := servertest.Listen()
		s := newGreeter(t, server.GracePeriod(5*time.Second))
		ran := make(chan error, 1)
		go func() { ran <- s.Run(ctx, lis) }()
		call := hello(t, lis, time.Hour)
		synctest.Wait()
		begin := time.Now()
		cancel()
		err := <-ran
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("Run returned after %s, want at most the grace period of 5s", took)
		}
		var forced *server.DeadlineError
		if !errors.As(err, &forced) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Run: %v, want a *DeadlineError that is context.DeadlineExceeded", err)
		}
		if len(forced.Holders) != 1 || forced.Holders[0].Kind != tracer.HolderRPC ||
			forced.Holders[0].Method != "greeter.v1.Greeter/SayHello" {
			t.Errorf("holders: %+v, want the RPC", forced.Holders)
		}
		if got := forced.Report.Call; got != "GracefulStop" {
			t.Errorf("call %q, want what Run called of grpc's server", got)
		}
		if forced.Report.RPCsCut["greeter.v1.Greeter/SayHello"] != 1 {
			t.Errorf("cut RPCs: %v, want one SayHello", forced.Report.RPCsCut)
		}
		if <-call == nil {
			t.Error("the RPC that was cut returned no error")
		}
	})
}

// TestRunServeFails: a listener that breaks stops the others, and Run says why.
func TestRunServeFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newGreeter(t)
		err := s.Run(context.Background(), servertest.Listen(), brokenListener{servertest.Listen()})
		if !errors.Is(err, errBroken) {
			t.Errorf("Run: %v, want the error of the listener that broke", err)
		}
	})
}

// TestShutdownContext: ctx ends the grace before the grace period does.
func TestShutdownContext(t *testing.T) {
	for _, test := range []struct {
		name   string
		ctx    func() (context.Context, context.CancelFunc)
		within time.Duration
		cause  error
	}{
		{"deadline", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 3*time.Second)
		}, 3 * time.Second, context.DeadlineExceeded},
		{"deadline that has passed", func() (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), -time.Second)
		}, 500 * time.Millisecond, context.DeadlineExceeded},
		{"cancelled", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}, 500 * time.Millisecond, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				lis := servertest.Listen()
				s := newGreeter(t)
				served := make(chan error, 1)
				go func() { served <- s.Serve(lis) }()
				call := hello(t, lis, time.Hour)
				synctest.Wait()
				ctx, cancel := test.ctx()
				defer cancel()
				begin := time.Now()
				err := s.Shutdown(ctx)
				if took := time.Since(begin); took > test.within {
					t.Errorf("Shutdown returned after %s, want at most %s", took, test.within)
				}
				if !errors.Is(err, test.cause) {
					t.Errorf("Shutdown: %v, want %v", err, test.cause)
				}
				if err := <-served; err != nil {
					t.Errorf("Serve: %v", err)
				}
				<-call
			})
		})
	}
}

// TestStopsJoin: whoever stops first, the others wait for it and it is one
// shutdown.
func TestStopsJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []*tracer.Report
		s := server.New(newTracer(t, tracer.WithReport(func(r *tracer.Report) {
			reports = append(reports, r)
		})))
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		call := hello(t, lis, 4*time.Second)
		synctest.Wait()
		begin := time.Now()
		stops := []func(){
			s.GracefulStop, s.GracefulStop,
			func() {
				if err := s.Shutdown(context.Background()); err != nil {
					t.Errorf("a Shutdown that joins: %v", err)
				}
			},
		}
		ended := make(chan struct{})
		for _, stop := range stops {
			go func() {
				stop()
				ended <- struct{}{}
			}()
			synctest.Wait()
		}
		for range stops {
			<-ended
		}
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("the stops returned after %s, want the RPC's 4s", took)
		}
		if err := errors.Join(<-call, <-served); err != nil {
			t.Error(err)
		}
		s.Stop() // a stop after the end is nothing
		if len(reports) != 1 {
			t.Errorf("%d reports, want 1", len(reports))
		}
	})
}
