// SPDX-License-Identifier: Apache-2.0

package budget_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/examples/budget"
	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
	"github.com/gracetrace/gracetrace/tracer/tracertest"
)

// TestStopsInTime: with a client that watches, the server is gone in a second,
// and the client is not cut off but told. In the bubble that second is exact, and
// takes no time.
func TestStopsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := tracertest.New(t)
		srv := server.New(kit.Tracer(), server.GracePeriod(25*time.Second))
		greeter := budget.New()
		pb.RegisterGreeterServer(srv, greeter)
		watch(t, srv)

		report := kit.Stop(func() {
			greeter.StopWatches()
			srv.GracefulStop()
		},
			tracertest.Within(time.Second),
			tracertest.PhaseWithin(tracer.PhaseHandshakeWait, 100*time.Millisecond),
			tracertest.Graceful(),
			tracertest.NoneCut(),
		)
		t.Log(report.Verdict)
	})
}

// watch serves srv in memory, with a client that watches until the stream ends.
func watch(t *testing.T, srv *server.Server) {
	lis := bufconn.Listen(1 << 20)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///greeter",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := pb.NewGreeterClient(conn).Watch(t.Context(),
		&pb.WatchRequest{Interval: durationpb.New(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
