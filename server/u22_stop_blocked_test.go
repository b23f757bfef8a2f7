// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// orphanage has a handler that ignores its context until it is released.
type orphanage struct {
	greeterv1.UnimplementedGreeterServer

	begun, lost, release chan struct{}
}

func (o *orphanage) SayHello(ctx context.Context, _ *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	close(o.begun)
	<-ctx.Done()
	close(o.lost)
	<-o.release
	return nil, ctx.Err()
}

// TestU22StopBlocked: a handler outlives its client, GracefulStop waits for it,
// and Stop after it hangs for ever up to grpc-go 1.84, which holds the server's
// lock meanwhile (#9393, #9394). Ours returns on every version, and the report
// names the handler and, where it explains the wait, the version that mends it.
// A mutex that is waited for stops a bubble's time: so this one uses sockets.
func TestU22StopBlocked(t *testing.T) {
	var report *tracer.Report
	s := server.New(newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r })))
	o := &orphanage{
		begun: make(chan struct{}), lost: make(chan struct{}), release: make(chan struct{}),
	}
	greeterv1.RegisterGreeterServer(s, o)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	peer, err := servertest.Vanisher(t.Context(), servertest.DialTCP(lis.Addr().String()),
		servertest.Call{Method: greeterv1.Greeter_SayHello_FullMethodName}, o.begun)
	if err != nil {
		t.Fatal(err)
	}
	<-o.lost
	_ = peer.Close()
	graceful := make(chan struct{})
	go func() { defer close(graceful); s.GracefulStop() }()
	<-time.After(600 * time.Millisecond) // less is not worth a note
	after := time.AfterFunc(5*time.Second, func() { close(o.release) })
	s.Stop()
	if !after.Stop() {
		t.Error("Stop returned only once the handler did")
	} else {
		close(o.release)
	}
	<-graceful
	<-served
	if want := "left behind: handler greeter.v1.Greeter/SayHello from " + peer.LocalAddr().String(); report == nil ||
		!strings.Contains(report.Verdict, want) {
		t.Fatalf("the report does not say %q: %+v", want, report)
	}
	minor := 0
	_, _ = fmt.Sscanf(grpc.Version, "1.%d.", &minor)
	told := slices.ContainsFunc(report.Notes, func(n tracer.Note) bool {
		return strings.Contains(n.Text, "1.85.0")
	})
	if old := minor < 85; told != old {
		t.Errorf("grpc-go %s: the upgrade is told: %v, want %v", grpc.Version, told, old)
	}
}
