// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/tracer"
)

// rerun is the command that runs the test binary as the process that a variable
// makes of it: see TestMain. ctx ends it after 30 s.
func rerun(t *testing.T, env string) (cmd *exec.Cmd, ctx context.Context) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	cmd = exec.CommandContext(ctx, self)
	cmd.Env = []string{env + "=1"}
	return cmd, ctx
}

// printing starts cmd and returns what it prints.
func printing(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(out)
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

// wantExit waits for the end of a process, whose output r is, and expects its exit
// code, and each of want before that.
func wantExit(t *testing.T, cmd *exec.Cmd, r io.Reader, code int, want ...string) {
	t.Helper()
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit code %d, want exit code %d", got, code)
	}
	for _, w := range want {
		if !strings.Contains(string(rest), w) {
			t.Errorf("the process exited before %q:\n%s", w, rest)
		}
	}
}

// printingTracer is of a process that prints its log and the names of its spans.
func printingTracer() *tracer.Tracer {
	t, err := tracer.New(context.Background(),
		tracer.WithLogger(slog.New(slog.NewTextHandler(os.Stdout, nil))),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return printed{}, nil }))
	if err != nil {
		fatal(err)
	}
	return t
}
