// SPDX-License-Identifier: Apache-2.0

// Package program runs an example in its own test, as the process that it is.
package program

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/hermetic"
)

// runMain makes the test binary be the program.
const runMain = "EXAMPLE_RUN_MAIN"

// Main is TestMain of an example.
func Main(m *testing.M, main func()) {
	if os.Getenv(runMain) != "" {
		main()
		return
	}
	hermetic.ClearEnvironment() // of which the program would have all
	os.Exit(m.Run())
}

// Command is the program, with arguments and more environment variables. ctx ends
// it.
func Command(ctx context.Context, args []string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(append(os.Environ(), runMain+"=1"), env...)
	return cmd
}

// Program is a program that runs, and what it logs.
type Program struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner
	seen  []string
}

// portTimeout is for how long others may have a port.
const portTimeout = 20 * time.Second

// Free waits until a program can have the ports that it always has. Another's test on
// this machine may need them for a while; if somebody goes on to, the test is skipped.
func Free(t *testing.T, addresses ...string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(portTimeout)
	for _, address := range addresses {
		for {
			lis, err := net.Listen("tcp", address)
			if err == nil {
				_ = lis.Close()
				break
			}
			select {
			case <-tick.C:
			case <-late:
				t.Skipf("somebody else has a port that the program needs: %v", err)
			}
		}
	}
}

// Start starts it. It may run for 30 s; ctx is done then, or at the test's end.
func Start(t *testing.T, args []string, env ...string) (p *Program, ctx context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	cmd := Command(ctx, args, env...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &Program{t: t, cmd: cmd, lines: bufio.NewScanner(stderr)}, ctx
}

// Await reads what it logs up to a line with text, and returns that.
func (p *Program) Await(text string) string {
	p.t.Helper()
	for p.lines.Scan() {
		p.seen = append(p.seen, p.lines.Text())
		if strings.Contains(p.lines.Text(), text) {
			return p.lines.Text()
		}
	}
	p.t.Fatalf("the program ended without %q; it logged:\n%s", text, strings.Join(p.seen, "\n"))
	return ""
}

// Terminate sends it a real SIGTERM.
func (p *Program) Terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

// WantSuccess waits for its end and expects exit code 0.
func (p *Program) WantSuccess() {
	p.t.Helper()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the process ended with %v, want exit code 0", err)
	}
}
