// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// A process is a running `gracetrace serve`.
type process struct {
	j       *jaegerd.Server
	service string
	addr    string
	cmd     *exec.Cmd
	log     *os.File
	exited  chan struct{}
}

// command prepares gracetrace to send to j, and to nobody the developer's own
// environment may name.
func command(t *testing.T, j *jaegerd.Server, bin string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"OTEL_SERVICE_NAME=greeter",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://" + j.OTLP,
		"OTEL_RESOURCE_ATTRIBUTES=service.namespace=e2e",
		"GRACETRACE_UI_URL=" + j.Query,
	}
	return cmd
}

func serve(t *testing.T, j *jaegerd.Server, bin, service string, flags ...string) *process {
	t.Helper()
	s := &process{
		j: j, service: service, addr: "127.0.0.1:" + jaegerd.FreePorts(t, 1)[0],
		exited: make(chan struct{}),
	}
	s.cmd = command(t, j, bin, append([]string{"serve", "--addr", s.addr}, flags...)...)
	s.cmd.Env = append(s.cmd.Env, "OTEL_SERVICE_NAME="+service, "GRACETRACE_GRACE_PERIOD=10s")
	var err error
	if s.log, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // the test looks at the trace, not at the exit code
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
		if t.Failed() {
			if out, err := os.ReadFile(s.log.Name()); err == nil {
				t.Logf("%s:\n%s", service, out)
			}
		}
		_ = s.log.Close()
	})
	return s
}

// dial connects as soon as the server listens.
func (s *process) dial(t *testing.T) net.Conn {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		conn, err := net.Dial("tcp", s.addr)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		select {
		case <-tick.C:
		case <-s.exited:
			t.Fatal("serve exited")
		case <-deadline:
			t.Fatalf("serve does not listen: %v", err)
		}
	}
}

// silentClient connects and never says a word. It returns when the server's
// SETTINGS have come: from then on the handshake is under way.
func (s *process) silentClient(t *testing.T) {
	t.Helper()
	if _, err := io.ReadFull(s.dial(t), make([]byte, 9)); err != nil {
		t.Fatal(err)
	}
}

// openChat leaves a stream open whose handler waits for the client in Recv.
func (s *process) openChat(t *testing.T) {
	t.Helper()
	_ = s.dial(t).Close()
	conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	chat, err := greeterv1.NewGreeterClient(conn).Chat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := chat.Send(&greeterv1.ChatRequest{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	if _, err := chat.Recv(); err != nil {
		t.Fatal(err)
	}
}

func (s *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v: %v", sig, err)
	}
}

func (s *process) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.exited:
	case <-time.After(20 * time.Second):
		t.Fatal("serve did not exit")
	}
}

// trace finds the one shutdown of this process by the name of a span in it.
func (s *process) trace(span string) func(context.Context) (*timeline.Tree, error) {
	return func(ctx context.Context) (*timeline.Tree, error) {
		trees, err := s.j.FindTrees(ctx, jaegerd.Search{
			Service: s.service, Operation: span, Since: time.Hour, Limit: 10,
		})
		if err != nil || len(trees) != 1 {
			return nil, err
		}
		return trees[0], nil
	}
}
