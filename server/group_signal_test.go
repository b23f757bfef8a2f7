// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// envRunGroup makes the test binary be a group whose last member hangs.
const envRunGroup = "GRACETRACE_TEST_RUN_GROUP"

func runGroupUntilSignal() {
	t, err := tracer.New(context.Background(),
		tracer.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return printed{}, nil }))
	if err != nil {
		fatal(err)
	}
	g := server.NewGroup(t)
	g.Add(server.Member{Name: "api", Server: server.New(t), Addr: "127.0.0.1:0"})
	g.Add(server.Member{Name: "web", HTTP: &http.Server{}, Addr: "127.0.0.1:0"})
	g.Add(server.Member{
		Name: "stuck", After: []string{"api", "web"},
		Close: func(context.Context) error { select {} },
	})
	if err := g.Run(context.Background()); err != nil {
		fatal(err)
	}
}

// TestGroupSecondSignal: who held is in the log and with the collector before the
// process exits.
func TestGroupSecondSignal(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = []string{envRunGroup + "=1"}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	printed := bufio.NewReader(out)
	until(t, printed, "serving member=web", "")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	until(t, printed, "shutdown progress", "")
	_ = cmd.Process.Signal(os.Interrupt)
	rest, err := io.ReadAll(printed)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want that of a SIGINT, 130", code)
	}
	for _, want := range []string{
		"second signal", "shutdown finished", "outcome=forced", "stuck took ",
		"the process exited on a second signal", "sent: member stuck\n", "sent: shutdown\n",
	} {
		if !strings.Contains(string(rest), want) {
			t.Errorf("the process exited before %q:\n%s", want, rest)
		}
	}
}
