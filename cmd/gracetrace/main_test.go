// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

// envMain makes the test binary be gracetrace, so that a test can send it a real
// signal and see its exit code.
const envMain = "GRACETRACE_TEST_MAIN"

func TestMain(m *testing.M) {
	runProgram()
	if os.Getenv(envMain) != "" {
		main()
	}
	if os.Getenv(envStopping) != "" {
		os.Exit(serveUntilSignal())
	}
	hermetic.ClearEnvironment()
	goleak.VerifyTestMain(m)
}

// limit is what nothing here takes.
const limit = 60 * time.Second

// gracetrace prepares a process. Of the environment it gets only env, and sends
// to no collector that may run on this machine unless env says so.
func gracetrace(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append([]string{envMain + "=1", "OTEL_TRACES_EXPORTER=none"}, env...)
	return cmd
}

// result is how a process has ended.
type result struct {
	stdout, stderr string
	code           int
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	return begin(t, cmd)(t)
}

// begin starts a process and returns how to wait for it.
func begin(t *testing.T, cmd *exec.Cmd) (wait func(*testing.T) result) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func(t *testing.T) result {
		t.Helper()
		err := cmd.Wait()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}
}

// running is a process whose stderr is read while it runs.
type running struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	lines  chan string
	seen   []string
}

func start(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	r := &running{cmd: cmd, lines: make(chan string, 1000)}
	cmd.Stdout = &r.stdout
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go r.read(stderr)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		for range r.lines { // until it is gone
		}
		_ = cmd.Wait()
	})
	return r
}

func (r *running) read(stderr io.Reader) {
	defer close(r.lines)
	for s := bufio.NewScanner(stderr); s.Scan(); {
		r.lines <- s.Text()
	}
}

// await returns the next line of stderr that has text in it.
func (r *running) await(t *testing.T, text string) string {
	t.Helper()
	for line := range r.lines {
		r.seen = append(r.seen, line)
		if strings.Contains(line, text) {
			return line
		}
	}
	t.Fatalf("%v ended before it said %q:\n%s", r.cmd.Args[1:], text, strings.Join(r.seen, "\n"))
	return ""
}

func (r *running) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait returns how the process ended.
func (r *running) wait(t *testing.T) result {
	t.Helper()
	for line := range r.lines {
		r.seen = append(r.seen, line)
	}
	err := r.cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{r.stdout.String(), strings.Join(r.seen, "\n"), r.cmd.ProcessState.ExitCode()}
}
