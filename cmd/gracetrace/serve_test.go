// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
	"github.com/gracetrace/gracetrace/internal/address"
)

var servingOn = regexp.MustCompile(`addresses=\[?"?\[?([0-9.:]+)`)

// awaitServing returns the address that the server listens on.
func (r *running) awaitServing(t *testing.T) *scenario.Target {
	t.Helper()
	line := r.await(t, "msg=serving")
	m := servingOn.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no address in %q", line)
	}
	return &scenario.Target{Addr: m[1]}
}

func TestServeStopsGracefully(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		s := start(t, gracetrace(t, nil, "serve", "--addr", "127.0.0.1:0"))
		target := s.awaitServing(t)
		if err := target.Knock(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.signal(t, sig)
		r := s.wait(t)
		if r.code != exitOK || !strings.Contains(r.stdout, "  graceful\n") ||
			!strings.Contains(r.stdout, "\nverdict: ") {
			t.Errorf("%v: exit code %d\n%s\n%s", sig, r.code, r.stdout, r.stderr)
		}
	}
}

// What a user's program does with the error of Run, serve does too.
func TestServeIsForced(t *testing.T) {
	t.Parallel()
	s := start(t, gracetrace(t, []string{"GRACETRACE_GRACE_PERIOD=500ms"},
		"serve", "--addr", "127.0.0.1:0"))
	target := s.awaitServing(t)
	defer startClient(t, target, "recv").Close()
	s.signal(t, syscall.SIGTERM)
	r := s.wait(t)
	if r.code != exitFailure {
		t.Errorf("exit code %d", r.code)
	}
	last := r.stderr[strings.LastIndexByte(r.stderr, '\n')+1:]
	if !strings.HasPrefix(last, "gracetrace: shutdown forced after ") ||
		!strings.Contains(last, methodChat) {
		t.Errorf("the last line is %q", last)
	}
	if !strings.Contains(r.stdout, "forced, cut 1 RPC") {
		t.Errorf("stdout:\n%s", r.stdout)
	}
}

func startClient(t *testing.T, target *scenario.Target, name string) scenario.Client {
	t.Helper()
	s, ok := scenario.Find(name)
	if !ok {
		t.Fatalf("no scenario %s", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := s.Start(ctx, target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSecondSignalExits(t *testing.T) {
	t.Parallel()
	s := start(t, gracetrace(t, nil, "serve", "--addr", "127.0.0.1:0"))
	defer startClient(t, s.awaitServing(t), "recv").Close()
	s.signal(t, syscall.SIGTERM)
	s.await(t, `msg="shutdown progress"`)
	s.signal(t, syscall.SIGTERM)
	r := s.wait(t)
	if want := 128 + int(syscall.SIGTERM); r.code != want {
		t.Errorf("exit code %d, want %d", r.code, want)
	}
	if !strings.Contains(r.stderr, `msg="shutdown finished"`) {
		t.Errorf("it exited without its verdict:\n%s", r.stderr)
	}
}

func TestServeCyclesOverTLS(t *testing.T) {
	t.Parallel()
	s := start(t, gracetrace(t, nil, "serve", "--addr", "127.0.0.1:0", "--cycle", "100ms", "--tls"))
	for range 3 {
		s.awaitServing(t)
	}
	s.signal(t, syscall.SIGTERM)
	r := s.wait(t)
	if n := strings.Count(r.stdout, "verdict: "); r.code != exitOK || n < 3 {
		t.Errorf("exit code %d after %d stops\n%s", r.code, n, r.stderr)
	}
}

// The load outlives its servers, and is there before them.
func TestLoad(t *testing.T) {
	t.Parallel()
	addr := address.TCP(t)
	load := start(t, gracetrace(t, nil, "load", "--addr", addr, "--rate", "20"))
	load.await(t, "trying again")
	for range 2 {
		s := start(t, gracetrace(t, nil, "serve", "--addr", addr, "--grace", "1s"))
		s.awaitServing(t)
		load.await(t, "answers again")
		s.signal(t, syscall.SIGTERM)
		if r := s.wait(t); !strings.Contains(r.stdout, "verdict: ") {
			t.Errorf("no report:\n%s\n%s", r.stdout, r.stderr)
		}
		load.await(t, "trying again")
	}
	load.signal(t, syscall.SIGTERM)
	if r := load.wait(t); r.code != exitOK || r.stdout != "" {
		t.Errorf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
}
