// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// envRun makes the test binary be a server that runs until a signal.
const envRun = "GRACETRACE_TEST_RUN"

// runUntilSignal prints its address and what the tracer has sent.
func runUntilSignal() {
	t, err := tracer.New(context.Background(),
		tracer.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return printed{}, nil }))
	if err != nil {
		fatal(err)
	}
	s := server.New(t)
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fatal(err)
	}
	if err := s.Run(context.Background(), lis); err != nil {
		fatal(err)
	}
}

// TestU52SecondSignal: SIGTERM, a handler that does not end, and the second
// Ctrl-C. What held is in the log and with the collector before the process exits.
func TestU52SecondSignal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = []string{envRun + "=1"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := bufio.NewReader(out)
	addr := until(t, printed, "addresses=[", "]")
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	chat, err := greeterv1.NewGreeterClient(conn).Chat(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := chat.Send(&greeterv1.ChatRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.Recv(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	until(t, printed, "shutdown progress", "")
	begin := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	rest, err := io.ReadAll(printed)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want exit code 130, that of a SIGINT", code)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %s to exit", took)
	}
	for _, want := range []string{
		"second signal", "shutdown finished", "; exited on a second signal (SIGINT) after ", ", cutting 1 RPC", "greeter.v1.Greeter/Chat",
		"sent: conn wait\n", "sent: grpc.server.shutdown\n",
	} {
		if !strings.Contains(string(rest), want) {
			t.Errorf("the process exited before %q:\n%s", want, rest)
		}
	}
}

// until reads up to a line that has begin in it, and returns what stands between
// that and end.
func until(t *testing.T, r *bufio.Reader, begin, end string) string {
	t.Helper()
	var all strings.Builder
	for {
		line, err := r.ReadString('\n')
		all.WriteString(line)
		if err != nil {
			t.Fatalf("before %q: %v\n%s", begin, err, all.String())
		}
		if _, after, ok := strings.Cut(line, begin); ok {
			between, _, _ := strings.Cut(after, end)
			return between
		}
	}
}
