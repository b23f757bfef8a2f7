// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/examples/internal/program"
	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// TestLameDuck: for 5 s after a real SIGTERM a new client is served, a health check
// says that the server is leaving, and the debug port says what lasts.
func TestLameDuck(t *testing.T) {
	program.Free(t, ":8080", "localhost:6060")
	log, ctx := program.Start(t, nil, "OTEL_SERVICE_NAME=greeter",
		"OTEL_TRACES_EXPORTER=none", "GRACETRACE_GRACE_PERIOD=25s")
	log.Await("serving")
	if got := check(ctx, t); got != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health before the signal: %s", got)
	}

	log.Terminate()
	log.Await("shutdown started")
	if got := check(ctx, t); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health in the lame duck: %s", got)
	}
	_, err := pb.NewGreeterClient(dial(t)).SayHello(ctx, &pb.SayHelloRequest{Name: "ada"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("SayHello: %v, want the code of UnimplementedGreeterServer", err)
	}
	if page := debugPage(ctx, t); !strings.Contains(page, "lame duck") {
		t.Errorf("the debug port does not say what lasts:\n%s", page)
	}
	log.Await("shutdown finished")
	log.WantSuccess()
}

// dial opens a connection of its own.
func dial(t *testing.T) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("localhost:8080",
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func check(ctx context.Context, t *testing.T) healthv1.HealthCheckResponse_ServingStatus {
	t.Helper()
	res, err := healthv1.NewHealthClient(dial(t)).Check(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return res.GetStatus()
}

func debugPage(ctx context.Context, t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost:6060/debug/shutdown", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
