// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

const (
	pollInterval = 50 * time.Millisecond
	// waitLimit bounds a start, a stop, and each thing that has to come true.
	waitLimit = 30 * time.Second
)

// A daemon is a program that can be stopped, or killed, and started again as the
// same one: on its ports and with its files.
type daemon struct {
	name   string
	args   []string // the program's path is the first
	env    []string
	health string // a URL that answers 200 when it is ready

	cmd    *exec.Cmd
	exited chan struct{}
}

// start returns when it is ready. Whatever is still running at the end of the
// test is stopped then.
func (d *daemon) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(d.args[0], d.args[1:]...) // stop ends it, in its own way
	cmd.Dir, cmd.Env = jaegerd.Root(t), slices.Concat(os.Environ(), d.env)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	d.cmd, d.exited = cmd, exited
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
		select {
		case <-exited:
		case <-time.After(waitLimit):
			_ = cmd.Process.Kill()
			<-exited
			t.Errorf("%s does not stop", d.name)
		}
		_ = log.Close()
		if out, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s:\n%s", d.name, out[max(0, len(out)-8000):])
		}
	})
	await(t, d.name+" is ready", func() bool {
		select {
		case <-exited:
			t.Fatalf("%s exited", d.name)
		default:
		}
		resp, err := http.Get(d.health)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends it by a signal and returns when it has.
func (d *daemon) stop(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s: %v: %v", d.name, sig, err)
	}
	select {
	case <-d.exited:
	case <-time.After(waitLimit):
		t.Fatalf("%s does not end after %v", d.name, sig)
	}
}

// await returns when ok does.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	awaitEqual(t, what, true, ok)
}

// awaitEqual returns when got is what is wanted.
func awaitEqual[V any](t *testing.T, what string, want V, get func() V) {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	late := time.After(waitLimit)
	for {
		diff := cmp.Diff(want, get())
		if diff == "" {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%s: not within %v (-want +got):\n%s", what, waitLimit, diff)
		}
	}
}
