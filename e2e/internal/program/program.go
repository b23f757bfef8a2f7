// SPDX-License-Identifier: Apache-2.0

package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/tracer"
)

// A Program is a command that was built for a test, and its environment.
type Program struct {
	Path string
	Env  []string
}

// New is the program of that path. Its environment has nothing that the
// developer's own may have, and names no collector.
func New(t *testing.T, path string) Program {
	t.Helper()
	return Program{Path: path, Env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
		"OTEL_SERVICE_NAME=greeter", "OTEL_RESOURCE_ATTRIBUTES=service.namespace=e2e",
	}}
}

// Build builds the command.
func Build(t *testing.T) Program {
	t.Helper()
	p := New(t, filepath.Join(t.TempDir(), "gracetrace"))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", p.Path, "./cmd/gracetrace")
	build.Dir = jaegerd.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build.Args, err, out)
	}
	return p
}

// With is the program with more in its environment.
func (p Program) With(env ...string) Program {
	p.Env = slices.Concat(p.Env, env)
	return p
}

// To is the program that sends to a collector, such as "http://127.0.0.1:4317".
func (p Program) To(endpoint string) Program {
	return p.With("OTEL_EXPORTER_OTLP_ENDPOINT=" + endpoint)
}

// As is the program as a service of another name.
func (p Program) As(service string) Program { return p.With("OTEL_SERVICE_NAME=" + service) }

// Command prepares a run, which ends with the test at the latest.
func (p Program) Command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.Path, args...)
	cmd.Env = p.Env
	return cmd
}

// Output is what a run that succeeds writes to stdout.
func (p Program) Output(t *testing.T, stdin io.Reader, args ...string) []byte {
	t.Helper()
	cmd := p.Command(t, args...)
	cmd.Stdin = stdin
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("%v: %v\n%s", args, err, exit.Stderr)
	} else if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

// Demo runs the demo, in which a server stops itself, and returns what it has
// printed.
func (p Program) Demo(t *testing.T, args ...string) *tracer.Report {
	t.Helper()
	return one(t, p.Output(t, nil, append([]string{"demo", "--json"}, args...)...))
}

// Report is what `gracetrace report` makes of an answer of Jaeger's that has one
// shutdown. A process without an end has ended: tests wait for that.
func (p Program) Report(t *testing.T, answer []byte) *tracer.Report {
	t.Helper()
	return one(t, p.Output(t, bytes.NewReader(answer), "report", "--json", "--silence", "1ms", "-"))
}

// Asked is what `gracetrace report` says of one shutdown that it asks Jaeger for.
func (p Program) Asked(t *testing.T, args ...string) *tracer.Report {
	t.Helper()
	return one(t, p.Output(t, nil, append([]string{"report", "--json", "--silence", "1ms"}, args...)...))
}

func one(t *testing.T, out []byte) *tracer.Report {
	t.Helper()
	var r tracer.Report
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("want one report: %v\n%s", err, out)
	}
	return &r
}
