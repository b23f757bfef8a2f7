// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/tap"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/watch"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// The two below keep one of grpc's mutexes, and a goroutine that waits for a mutex
// stops a bubble's clock: so they use sockets and real time.

// onTCP serves s and returns how to dial it.
func onTCP(t *testing.T, s *server.Server) servertest.DialFunc {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() { <-served })
	return servertest.DialTCP(lis.Addr().String())
}

// notReading returns once the server does not read from its only connection.
func notReading(tr *tracer.Tracer) {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for range poll.C {
		snap := tr.Table().Snapshot()
		if c := snap.Conns[0]; !c.Reading && snap.At-c.LastRead > watch.Instant(100*time.Millisecond) {
			return
		}
	}
}

// sayHello is a call of the demo service.
var sayHello = servertest.Call{Method: greeterv1.Greeter_SayHello_FullMethodName}

// TestX03StreamQuota: a client cancels an RPC whose handler does not look, and
// calls again: with MaxConcurrentStreams used up grpc stops reading from the
// connection, and no GOAWAY leaves it (grpc-go #6703). The verdict must say what
// keeps the reader.
func TestX03StreamQuota(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var report *tracer.Report
	tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r }))
	s := server.New(tr, grpc.MaxConcurrentStreams(1))
	o := &orphanage{
		begun: make(chan struct{}), lost: make(chan struct{}), release: make(chan struct{}),
	}
	greeterv1.RegisterGreeterServer(s, o)
	peer, err := servertest.Connect(t.Context(), onTCP(t, s), servertest.Obedient())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	first, err := peer.Open(sayHello)
	if err != nil {
		t.Fatal(err)
	}
	<-o.begun
	if err := first.Cancel(); err != nil {
		t.Fatal(err)
	}
	<-o.lost
	next := servertest.Call{Method: greeterv1.Greeter_Chat_FullMethodName, HeadersOnly: true}
	if _, err := peer.Open(next); err != nil {
		t.Fatal(err)
	}
	notReading(tr)
	// Until after the second checkpoint: at the first the GOAWAY phase may last.
	time.AfterFunc(3500*time.Millisecond, func() { close(o.release); _ = peer.Abort() })
	s.GracefulStop()
	if len(report.Checkpoints) < 2 {
		t.Fatalf("%d checkpoints, want 2: %s", len(report.Checkpoints), report.Verdict)
	}
	for _, want := range []string{
		"connection from " + peer.LocalAddr().String(), "nothing has been read from it for ",
		"1 handler of cancelled RPCs still runs, which use up its stream quota",
	} {
		if said := report.Checkpoints[1].Verdict; !strings.Contains(said, want) {
			t.Errorf("the verdict after 3 s does not say %q: %s", want, said)
		}
	}
}

// tapped is a tap handle that hangs.
type tapped struct{ begun, release chan struct{} }

func (h *tapped) handle(ctx context.Context, _ *tap.Info) (context.Context, error) {
	close(h.begun)
	<-h.release
	return ctx, nil
}

// TestX05TapHandle: a tap handle asks a rate limiter that does not answer, and has
// the lock that a GOAWAY needs: neither GracefulStop nor Stop returns (f 49).
// Shutdown must, and its verdict name the tap handle.
func TestX05TapHandle(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	h := &tapped{begun: make(chan struct{}), release: make(chan struct{})}
	s := server.New(newTracer(t), server.GracePeriod(3*time.Second), grpc.InTapHandle(h.handle))
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	peer, err := servertest.Connect(t.Context(), onTCP(t, s), servertest.Obedient())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	if _, err := peer.Open(sayHello); err != nil {
		t.Fatal(err)
	}
	<-h.begun
	var forced *server.DeadlineError
	err = s.Shutdown(context.Background())
	close(h.release)
	if !errors.As(err, &forced) {
		t.Fatalf("Shutdown: %v, want a *DeadlineError", err)
	}
	for _, want := range []string{"user hook ", "(*tapped).handle at x_sockets_test.go:", "tap handle that had not returned"} {
		if !strings.Contains(forced.Report.Verdict, want) {
			t.Errorf("the verdict does not say %q: %s", want, forced.Report.Verdict)
		}
	}
}
