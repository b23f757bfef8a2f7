// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

// groupKill is a process of several parts that is killed while one of them holds it.
type groupKill struct {
	name   string
	join   func(t *testing.T, api, web string) (peer string, leave func())
	latest time.Duration
	closes time.Duration // its last member, in
	member string
	words  []string // of the verdict
}

var groupKills = []groupKill{
	{
		name: "RPC", member: "api", latest: 4 * time.Second, words: []string{"rpc " + methodChat, "blocked in Recv"},
		join: func(t *testing.T, api, _ string) (string, func()) {
			t.Helper()
			p, err := calling(chatCall, true)(t.Context(), &scenario.Target{Addr: api})
			if err != nil {
				t.Fatal(err)
			}
			return p[0].LocalAddr().String(), func() { _ = p[0].Close() }
		},
	}, {
		name: "HTTP request", member: "web", latest: 4 * time.Second, words: []string{"answering a request"},
		join: func(t *testing.T, _, web string) (string, func()) {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+web, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			return "", func() { _ = res.Body.Close() }
		},
	}, {
		name: "Close", member: "store", latest: 3 * time.Second, closes: time.Minute,
		words: []string{"its Close has not returned"},
		join:  func(*testing.T, string, string) (string, func()) { return "", func() {} },
	},
}

var memberOn = regexp.MustCompile(`msg=serving member=(\w+) addresses=\[?"?\[?([0-9.:]+)`)

// kill starts the process, stops it and kills it, and returns when that was, and by
// how much timers were late.
func (g *groupKill) kill(t *testing.T, env ...string) (peer string, after, late time.Duration) {
	t.Helper()
	after = holderTold + rand.N(g.latest-holderTold)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	lateBy := servertest.Lateness(ctx)
	r := start(t, gracetrace(t, append(env, envGroup+"="+g.closes.String(), "OTEL_TRACES_EXPORTER=otlp")))
	on := make(map[string]string)
	for len(on) < 2 {
		m := memberOn.FindStringSubmatch(r.await(t, "msg=serving member="))
		on[m[1]] = m[2]
	}
	peer, leave := g.join(t, on["api"], on["web"])
	r.signal(t, syscall.SIGTERM)
	kill := time.AfterFunc(after, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	if got := r.wait(t); got.code >= 0 {
		t.Errorf("%s: it ended by itself, before %s:\n%s", g.name, after, got.stderr)
	}
	leave()
	cancel()
	return peer, after, <-lateBy
}

// TestU39KillGroup: a group is killed at any moment of its stop. What the collector has
// names the member that held it, and who held that; with a spool and no collector the
// recovery says the same.
func TestU39KillGroup(t *testing.T) {
	t.Parallel()
	for _, g := range groupKills {
		for _, spooled := range []bool{false, true} {
			g.judge(t, spooled)
		}
	}
}

func (g *groupKill) judge(t *testing.T, spooled bool) {
	t.Helper()
	c, dir := record(t, 0), filepath.Join(t.TempDir(), "spool")
	env := []string{"OTEL_SERVICE_NAME=group", c.endpoint}
	if spooled {
		env = []string{"OTEL_SERVICE_NAME=group", nowhere, "GRACETRACE_SPOOL_DIR=" + dir}
	}
	peer, after, late := g.kill(t, env...)
	if spooled {
		env = []string{"OTEL_TRACES_EXPORTER=otlp", c.endpoint}
		if r := finish(t, gracetrace(t, env, "recover", dir)); r.code != exitOK {
			t.Fatalf("recover: exit code %d\n%s", r.code, r.stderr)
		}
	}
	c.end()
	r := reported(t, c.of("group"))
	if r.Outcome != tracer.OutcomeKilled {
		t.Errorf("%s, killed after %s: %s", g.name, after, r.Outcome)
	}
	if len(r.Checkpoints) == 0 && after < holderTold+late {
		return // on a machine that busy nothing more was promised
	}
	for _, want := range append(g.words, ": "+g.member+": ", peer) {
		if !strings.Contains(r.Verdict, want) {
			t.Errorf("%s, spool %t, killed after %s: want %q in the verdict: %s", g.name, spooled, after,
				want, r.Verdict)
		}
	}
}
