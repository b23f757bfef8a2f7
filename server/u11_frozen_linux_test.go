// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/watch"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// blocked returns once a Write to the server's only connection is in flight for
// so long that nothing more fits into the socket's buffers.
func blocked(tr *tracer.Tracer) {
	poll := time.NewTicker(10 * time.Millisecond)
	defer poll.Stop()
	for range poll.C {
		snap := tr.Table().Snapshot()
		since := snap.Conns[0].WriteSince
		if since != 0 && snap.At-since > watch.Instant(100*time.Millisecond) {
			return
		}
	}
}

// TestU11FrozenPeer: a peer is frozen, the socket's buffers are full, and the
// GOAWAY never leaves (grpc-go #4172). The verdict must say since when a Write
// has been blocked. Only a kernel has socket buffers: it takes real time.
func TestU11FrozenPeer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	tr := newTracer(t)
	s := server.New(tr, server.GracePeriod(3*time.Second))
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	msg, err := proto.Marshal(&greeterv1.WatchRequest{
		Interval: durationpb.New(time.Millisecond), PayloadBytes: 1 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	peer, err := servertest.Frozen(t.Context(), servertest.DialTCP(lis.Addr().String()),
		servertest.Call{Method: greeterv1.Greeter_Watch_FullMethodName, Message: msg})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	<-peer.Ready()
	blocked(tr)

	var forced *server.DeadlineError
	if err := s.Shutdown(context.Background()); !errors.As(err, &forced) {
		t.Fatalf("Shutdown: %v, want a *DeadlineError", err)
	}
	<-served
	r := forced.Report
	for _, want := range []string{
		"rpc greeter.v1.Greeter/Watch from " + peer.LocalAddr().String(),
		"handler blocked in Send", "its connection's Write blocked for ", "its GOAWAY has not left",
		"the forced stop released it",
	} {
		if !strings.Contains(r.Verdict, want) {
			t.Errorf("the verdict does not say %q: %s", want, r.Verdict)
		}
	}
	if !slices.ContainsFunc(r.Notes, func(n tracer.Note) bool {
		return strings.Contains(n.Text, "a connection whose peer is frozen")
	}) {
		t.Errorf("no note says what helps against a frozen peer: %+v", r.Notes)
	}
	for _, p := range r.Phases {
		if p.Name == tracer.PhaseConnWait && (p.Culprit == nil || p.Culprit.State != "in Send") {
			t.Errorf("the culprit of conn wait is %+v, want the RPC in Send", p.Culprit)
		}
	}
}
