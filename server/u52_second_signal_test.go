// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// envRun makes the test binary be a server that runs until a signal.
const envRun = "GRACETRACE_TEST_RUN"

// runUntilSignal prints its address and what the tracer has sent.
func runUntilSignal() {
	t := printingTracer()
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
	cmd, ctx := rerun(t, envRun)
	printed := printing(t, cmd)
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
	wantExit(t, cmd, printed, 130, // exit code 130 is a SIGINT's
		"second signal", "shutdown finished", "; exited on a second signal (SIGINT) after ",
		", cutting 1 RPC", "greeter.v1.Greeter/Chat",
		"sent: conn wait\n", "sent: grpc.server.shutdown\n")
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("it took %s to exit", took)
	}
}
