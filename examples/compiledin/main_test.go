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
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// runMain makes the test binary be the program.
const runMain = "EXAMPLE_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTraced starts the program, calls it, sends it a real SIGTERM, and reads from
// its log what held it. Where it was not built by orchestrion it logs nothing.
func TestTraced(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), runMain+"=1", "OTEL_SERVICE_NAME=compiledin",
		"OTEL_TRACES_EXPORTER=none")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	await(lines, "serving on")

	conn, err := grpc.NewClient("localhost:50052",
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := pb.NewGreeterClient(conn)
	answered := make(chan error, 1)
	go func() {
		_, err := client.SayHello(ctx, &pb.SayHelloRequest{
			Name: "ada", Duration: durationpb.New(time.Second),
		})
		answered <- err
	}()
	await(lines, "greeting ada")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	finished := await(lines, "shutdown finished")
	if err := <-answered; err != nil {
		t.Errorf("the RPC in flight: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the process: %v", err)
	}
	if finished == "" && os.Getenv("REQUIRE_WOVEN") == "" {
		t.Skip("not built by orchestrion: go tool orchestrion go test")
	}
	for _, want := range []string{"outcome=graceful", "conn wait took", "greeter.v1.Greeter/SayHello"} {
		if !strings.Contains(finished, want) {
			t.Errorf("the log lacks %s:\n%s", want, finished)
		}
	}
}

// await reads up to a line with text, and returns that; empty: there was none.
func await(lines *bufio.Scanner, text string) string {
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
	}
	return ""
}
