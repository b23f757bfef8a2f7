// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// runMain makes the test binary be the program.
const runMain = "KUBERNETES_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestLameDuck: for 5 s after a real SIGTERM a new client is served, a health check
// says that the server is leaving, and the debug port says what lasts.
func TestLameDuck(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), runMain+"=1", "OTEL_SERVICE_NAME=greeter",
		"OTEL_TRACES_EXPORTER=none", "GRACETRACE_GRACE_PERIOD=25s")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	awaitLine(t, lines, "serving")
	if got := check(ctx, t); got != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health before the signal: %s", got)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitLine(t, lines, "shutdown started")
	if got := check(ctx, t); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health in the lame duck: %s", got)
	}
	_, err = pb.NewGreeterClient(dial(t)).SayHello(ctx, &pb.SayHelloRequest{Name: "ada"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("SayHello: %v, want the code of UnimplementedGreeterServer", err)
	}
	if page := debugPage(ctx, t); !strings.Contains(page, "lame duck") {
		t.Errorf("the debug port does not say what lasts:\n%s", page)
	}
	awaitLine(t, lines, "shutdown finished")
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v, want exit code 0", err)
	}
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

// awaitLine reads what the program logs up to a line with text.
func awaitLine(t *testing.T, lines *bufio.Scanner, text string) {
	t.Helper()
	var seen []string
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return
		}
		seen = append(seen, lines.Text())
	}
	t.Fatalf("the program ended without %q; it logged:\n%s", text, strings.Join(seen, "\n"))
}
