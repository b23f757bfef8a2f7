// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestCloseRightAfterStop: a framework stops the server, and main calls the tracer's
// Close at once, as it has to: before anybody had the time to look whether the stop
// is over. Nothing was cut then, and a stop that took no time is told as well.
func TestCloseRightAfterStop(t *testing.T) {
	for name, tt := range map[string]struct {
		hold    time.Duration
		exit    time.Duration // how long after the call; zero: when it has returned
		outcome tracer.Outcome
	}{
		"idle":             {0, 0, tracer.OutcomeGraceful},
		"held":             {1500 * time.Millisecond, 0, tracer.OutcomeGraceful},
		"held for a blink": {time.Millisecond, 0, tracer.OutcomeGraceful},
		"left":             {10 * time.Second, 5 * time.Millisecond, tracer.OutcomeForced},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var reports []*tracer.Report
				tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { reports = append(reports, r) }))
				s := grpc.NewServer(interceptors.ServerOptions(tr)...)
				greeterv1.RegisterGreeterServer(s, &greeter.Server{})
				lis := servertest.Listen()
				served := make(chan error, 1)
				go func() { served <- s.Serve(interceptors.Listener(tr, lis)) }()
				peer, err := servertest.Connect(t.Context(), lis.Dial, servertest.Obedient())
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = peer.Close() }()
				if tt.hold > 0 {
					if _, err := peer.Open(callFor(tt.hold)); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				stopped := make(chan struct{})
				go func() { s.GracefulStop(); close(stopped) }()
				if tt.exit > 0 {
					<-time.After(tt.exit)
				} else {
					<-stopped
				}
				tr.Close()
				if len(reports) != 1 {
					t.Fatalf("%d reports, want one", len(reports))
				}
				r := reports[0]
				if r.Outcome != tt.outcome {
					t.Errorf("%s, want %s: %s", r.Outcome, tt.outcome, r.Verdict)
				}
				if d := time.Duration(r.Duration); tt.exit == 0 && d != tt.hold {
					t.Errorf("it took %s, want %s", d, tt.hold)
				}
				s.Stop()
				<-stopped
				<-served
			})
		})
	}
}

// TestKeepaliveIsNoStop: grpc gives up a client that does not answer, and its RPC
// with it. That was the last one, so GracefulStop returns by itself.
func TestKeepaliveIsNoStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports []*tracer.Report
		tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { reports = append(reports, r) }))
		s := grpc.NewServer(append(interceptors.ServerOptions(tr), interceptors.KeepaliveParams(tr,
			keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}))...)
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		lis := servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(interceptors.Listener(tr, lis)) }()
		peer, err := servertest.Mute(t.Context(), lis.Dial, callFor(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = peer.Close() }()
		synctest.Wait()
		s.GracefulStop()
		tr.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if len(reports) != 1 {
			t.Fatalf("%d reports, want one", len(reports))
		}
		r := reports[0]
		if r.Outcome != tracer.OutcomeGraceful || time.Duration(r.Duration) < 10*time.Second {
			t.Errorf("%s after %s, want a graceful stop of 10 s and more: %s", r.Outcome, r.Duration, r.Verdict)
		}
	})
}
