// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

var debugURL = regexp.MustCompile(`url=(http://127\.0\.0\.1:[0-9]+/debug/shutdown)`)

// TestServeDebug asks the debug port what holds a stop that hangs.
func TestServeDebug(t *testing.T) {
	t.Parallel()
	s := start(t, gracetrace(t, []string{"GRACETRACE_GRACE_PERIOD=5s"},
		"serve", "--addr", "127.0.0.1:0", "--debug", "127.0.0.1:0"))
	m := debugURL.FindStringSubmatch(s.await(t, `msg="debug port"`))
	if m == nil {
		t.Fatal("the address of the debug port is not in the log")
	}
	target := s.awaitServing(t)
	if got := get(t, m[1]); !strings.HasPrefix(got, "no shutdown is running") {
		t.Errorf("before the stop: %s", got)
	}
	c := startClient(t, target, "recv")
	s.signal(t, syscall.SIGTERM)
	s.await(t, `msg="shutdown progress"`)
	if got := get(t, m[1]); !strings.Contains(got, " so far: rpc "+methodChat) {
		t.Errorf("during the stop: %s", got)
	}
	c.Close()
	if r := s.wait(t); r.code != exitOK {
		t.Errorf("exit code %d\n%s", r.code, r.stderr)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true // no connection is to be left
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":6060": "localhost:6060", "0.0.0.0:6060": "0.0.0.0:6060", "[::]:1": "[::]:1", "a:1": "a:1",
	} {
		if got := loopback(addr); got != want {
			t.Errorf("loopback(%q) = %q, want %q", addr, got, want)
		}
	}
}
