// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestStopCutsWhatIsLeft: while a Stop waits for a handshake RPCs end by
// themselves. These it has not cut.
func TestStopCutsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reports := make(chan *tracer.Report, 1)
		s := server.New(newTracer(t, tracer.WithReport(func(r *tracer.Report) { reports <- r })))
		greeterv1.RegisterGreeterServer(s, &chatter{hello: func(ctx context.Context) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}})
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		idle, err := servertest.Silent(t.Context(), lis.Dial)
		if err != nil {
			t.Fatal(err)
		}
		ends := hello(t, lis, 0)
		synctest.Wait()
		time.AfterFunc(3500*time.Millisecond, func() { _ = idle.Close() })
		s.Stop()
		if err := <-ends; err != nil {
			t.Errorf("an RPC that had ended: %v", err)
		}
		if r := <-reports; len(r.RPCsCut) != 0 {
			t.Errorf("cut: %v, %q", r.RPCsCut, r.Verdict)
		}
		<-served
	})
}

// TestDeadlineBefore: a context that was done before leaves no time, but what is
// cut is counted, and a handler that just ends is not left behind.
func TestDeadlineBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newJoining(t, untilCut)
		served := make(chan error, 1)
		go func() { served <- j.Serve(j.lis) }()
		j.call(t)
		ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
		defer cancel()
		err := endsWithin(t, "Shutdown", 50*time.Millisecond, func() error { return j.Shutdown(ctx) })
		var forced *server.DeadlineError
		if !errors.As(err, &forced) {
			t.Fatal(err)
		}
		if r := forced.Report; len(r.RPCsCut) != 1 || len(r.Outlived) != 0 || len(forced.Holders) == 0 {
			t.Errorf("cut %v, left %v, held by %v: %q", r.RPCsCut, r.Outlived, forced.Holders, r.Verdict)
		}
		<-served
		<-j.rpc
		<-time.After(time.Second)
	})
}
