// SPDX-License-Identifier: Apache-2.0

package program

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
)

const (
	pollInterval = 20 * time.Millisecond
	serveTimeout = 20 * time.Second
	exitTimeout  = 30 * time.Second
	logTimeout   = 20 * time.Second
)

// A Process is a running program. What it has written is logged if the test
// fails.
type Process struct {
	Exited <-chan struct{}

	cmd *exec.Cmd
	log *os.File
}

// Start starts the program. It is killed at the end of the test.
func (p Program) Start(t *testing.T, args ...string) *Process {
	t.Helper()
	exited := make(chan struct{})
	run := &Process{Exited: exited, cmd: p.Command(t, args...)}
	var err error
	if run.log, err = os.Create(filepath.Join(t.TempDir(), "log")); err != nil {
		t.Fatal(err)
	}
	run.cmd.Stdout, run.cmd.Stderr = run.log, run.log
	if err := run.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = run.cmd.Wait() // the test looks at the trace, not at the exit code
		close(exited)
	}()
	t.Cleanup(func() {
		_ = run.cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("%v:\n%s", args, run.Log())
		}
		_ = run.log.Close()
	})
	return run
}

// Log is what it has written so far, to stdout and to stderr.
func (run *Process) Log() string {
	out, err := os.ReadFile(run.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// AwaitLog returns when it has written the words.
func (run *Process) AwaitLog(t *testing.T, words string) {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	deadline := time.After(logTimeout)
	for !strings.Contains(run.Log(), words) {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not say %q:\n%s", words, run.Log())
		}
	}
}

// Signal sends it a signal.
func (run *Process) Signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := run.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%v: %v", sig, err)
	}
}

// Wait returns when it has ended.
func (run *Process) Wait(t *testing.T) {
	t.Helper()
	select {
	case <-run.Exited:
	case <-time.After(exitTimeout):
		t.Fatal("it does not end")
	}
}

// A Server is a running `gracetrace serve`.
type Server struct {
	*Process

	Addr string
}

// Serve starts the server and returns when it listens.
func (p Program) Serve(t *testing.T, flags ...string) *Server {
	t.Helper()
	addr := address.TCP(t)
	s := &Server{Addr: addr, Process: p.Start(t, append([]string{"serve", "--addr", addr}, flags...)...)}
	_ = s.Dial(t, addr).Close()
	return s
}

// Dial connects as soon as the program listens at addr.
func (run *Process) Dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	deadline := time.After(serveTimeout)
	for {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err == nil {
			t.Cleanup(func() { _ = conn.Close() })
			return conn
		}
		select {
		case <-tick.C:
		case <-run.Exited:
			t.Fatalf("it exited:\n%s", run.Log())
		case <-deadline:
			t.Fatalf("it does not listen: %v", err)
		}
	}
}
