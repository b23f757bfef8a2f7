// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// runMain makes the test binary be the program.
const runMain = "QUICKSTART_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestRun starts the program, calls it and sends it a real SIGTERM.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), runMain+"=1", "OTEL_SERVICE_NAME=quickstart",
		"OTEL_TRACES_EXPORTER=none")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	awaitLine(t, lines, "serving")

	conn, err := grpc.NewClient("localhost:50051",
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = pb.NewGreeterClient(conn).SayHello(ctx, &pb.SayHelloRequest{Name: "ada"})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("SayHello: %v, want the code of UnimplementedGreeterServer", err)
	}

	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	finished := awaitLine(t, lines, "shutdown finished")
	for _, want := range []string{"outcome=graceful", "verdict=", "trace_id="} {
		if !strings.Contains(finished, want) {
			t.Errorf("the last line lacks %s:\n%s", want, finished)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process ended with %v, want exit code 0", err)
	}
}

// awaitLine reads what the program logs up to a line with text.
func awaitLine(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	var seen []string
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
		seen = append(seen, lines.Text())
	}
	t.Fatalf("the program ended without %q; it logged:\n%s", text, strings.Join(seen, "\n"))
	return ""
}
