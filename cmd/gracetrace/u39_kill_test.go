// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	// told is when the collector must have heard of a stop, holderTold when it must
	// have heard of what holds it, after the signal.
	told       = time.Second
	holderTold = 1200 * time.Millisecond
	// retold is when who holds it must be told after another phase has begun.
	retold = 700 * time.Millisecond
	// lastKill is the latest.
	lastKill = 8 * time.Second
	// atOnce is how many processes are stopped at the same time.
	atOnce = 10
)

// envKills is how often a test kills: 100 to be sure, by default 10.
const envKills = "GRACETRACE_TEST_KILLS"

func kills(t *testing.T) int {
	t.Helper()
	v := os.Getenv(envKills)
	if v == "" {
		return 10
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s=%q", envKills, v)
	}
	return n
}

// kill is a process that is killed while one client holds its stop.
type kill struct {
	n         int
	service   string
	holding   *holding
	after     time.Duration // the signal, as planned
	r         *running
	peers     []servertest.Peer // and after those of the holding one that does nothing
	signalled time.Time
	killed    time.Duration // after the signal, as it was; 0: it had ended
	kill      *time.Timer
	killing   chan time.Duration
	result    result
	torn      bool // its spool was: a checkpoint may have lost its holders
}

// randomKill is one at a moment that may be anything, and is soon in one of four.
func randomKill(n int) *kill {
	k := &kill{
		n: n, service: "run-" + strconv.Itoa(n), holding: &holdings[n%len(holdings)],
		after: holderTold + rand.N(lastKill-holderTold),
	}
	if n%4 == 0 {
		k.after = rand.N(holderTold)
	}
	return k
}

// stop starts the process and its clients, and tells it to stop.
func (k *kill) stop(t *testing.T, env ...string) {
	t.Helper()
	args := []string{"serve", "--addr", "127.0.0.1:0", "--handshake-timeout", "120s"}
	env = append(env, "OTEL_TRACES_EXPORTER=otlp", "OTEL_SERVICE_NAME="+k.service)
	if p := k.holding.program; p != "" {
		env = append(env, p+"=1")
	}
	k.r = start(t, gracetrace(t, env, append(args, k.holding.args...)...))
	target := k.holding.target(k.r.awaitServing(t).Addr)
	idle, err := servertest.Connect(t.Context(), dialOf(target), servertest.Obedient())
	if err != nil {
		t.Fatal(err)
	}
	k.peers, err = k.holding.join(t.Context(), target)
	if err != nil {
		t.Fatalf("%s: %v", k.holding.name, err)
	}
	k.peers = append(k.peers, idle)
	k.signalled = time.Now()
	k.r.signal(t, syscall.SIGTERM)
	k.killing = make(chan time.Duration, 1)
	k.kill = time.AfterFunc(k.after, func() {
		k.killing <- time.Since(k.signalled)
		_ = k.r.cmd.Process.Kill() // it may have ended
	})
}

// wait waits for the end of the process.
func (k *kill) wait(t *testing.T) {
	t.Helper()
	k.result = k.r.wait(t)
	if !k.kill.Stop() {
		k.killed = <-k.killing
	}
	for _, p := range k.peers {
		_ = p.Close()
	}
}

// ended reports whether the process ended by itself.
func (k *kill) ended() bool { return k.result.code >= 0 }

// outcome is what the process has logged of its end, before the last spans are sent;
// empty: nothing.
func (k *kill) outcome() string {
	if m := finishedAs.FindStringSubmatch(k.result.stderr); m != nil {
		return m[1]
	}
	return ""
}

var finishedAs = regexp.MustCompile(`msg="shutdown finished" .*?outcome=(\w+)`)

// killAtRandom kills processes, some at the same time, and returns by how much the
// machine's timers were late.
func killAtRandom(t *testing.T, n int, env func(*kill) []string) ([]*kill, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	late := servertest.Lateness(ctx)
	var all []*kill
	for i := range n {
		all = append(all, randomKill(i))
	}
	for some := range slices.Chunk(all, atOnce) {
		for _, k := range some {
			k.stop(t, env(k)...)
		}
		for _, k := range some {
			k.wait(t)
		}
	}
	cancel()
	return all, <-late
}

// TestU39KillWithoutSpool: a process is killed at any moment of its stop, which one client
// holds, and it has no spool. What the collector has got until then says that it was
// killed and, from 1.2 s on, by whom it was held. Of two collectors one takes 500 ms for
// each answer.
func TestU39KillWithoutSpool(t *testing.T) {
	t.Parallel()
	fast, slow := record(t, 0), record(t, 500*time.Millisecond)
	all, late := killAtRandom(t, kills(t), func(k *kill) []string {
		return []string{[]string{fast.endpoint, slow.endpoint}[k.n/4%2]}
	})
	fast.end()
	slow.end()
	of := func(k *kill) []message { return append(fast.of(k.service), slow.of(k.service)...) }
	judgeAll(t, all, of, late)
}

// TestU39KillBusy: the same where the process leaves neither of its two processors
// idle: each of the steps on the way to the collector waits for its turn.
func TestU39KillBusy(t *testing.T) {
	busy := holding{
		name: "handler, busy", program: envBusy, join: calling(helloCall(time.Hour), false),
		stages: []stage{{kind: tracer.HolderRPC, state: "in handler", method: methodHello}},
	}
	collector := record(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	late := servertest.Lateness(ctx)
	var all []*kill
	for n := range (kills(t) + 19) / 20 {
		k := &kill{n: n, service: "busy-" + strconv.Itoa(n), holding: &busy, after: 2500 * time.Millisecond}
		k.stop(t, collector.endpoint, "GOMAXPROCS=2")
		k.wait(t)
		all = append(all, k)
	}
	cancel()
	collector.end()
	judgeAll(t, all, func(k *kill) []message { return collector.of(k.service) }, busySteps*<-late)
}

// busySteps is how often in a row a busy machine may be late.
const busySteps = 4

// judgeAll judges each by what came of it, and logs when that was.
func judgeAll(t *testing.T, all []*kill, of func(*kill) []message, late time.Duration) {
	t.Helper()
	first := make(map[string][]time.Duration)
	for _, k := range all {
		got := of(k)
		for _, name := range []string{"grpc.server.shutdown started", "checkpoint "} {
			if at := arrived(got, name); !at.IsZero() {
				first[name] = append(first[name], at.Sub(k.signalled))
			}
		}
		if !k.judge(t, got, late) {
			t.Logf("%s: %s, killed after %s, outcome %q", k.service, k.holding.name, k.killed, k.outcome())
		}
	}
	t.Logf("timers were late by %s", late)
	for name, list := range first {
		slices.Sort(list)
		t.Logf("first %q after the signal: %d times, median %s, 90 %% %s, at most %s", name, len(list),
			list[len(list)/2], list[len(list)*9/10], list[len(list)-1])
	}
}

// judge compares what came with what was arranged.
func (k *kill) judge(t *testing.T, got []message, late time.Duration) (ok bool) {
	t.Helper()
	fail := func(format string, args ...any) bool { t.Errorf(k.service+": "+format, args...); return false }
	if len(got) == 0 {
		if k.ended() || k.killed > told+late {
			return fail("nothing came")
		}
		return true
	}
	if at := arrived(got, "grpc.server.shutdown started").Sub(k.signalled); at < 0 || at > told+late {
		return fail("started came after %s", at)
	}
	r := reported(t, got)
	if r.Outcome != tracer.OutcomeKilled {
		if string(r.Outcome) != k.outcome() {
			return fail("%s: %s", r.Outcome, r.Verdict)
		}
		return true
	}
	if k.ended() {
		return fail("it ended by itself: %s", r.Verdict)
	}
	if len(r.Checkpoints) == 0 && k.killed > holderTold+late && k.outcome() == "" {
		return fail("no checkpoint came: %s", r.Verdict)
	}
	return k.blames(t, r, late)
}

// blames reports whether a report of a killed run blames who held it when it last
// told something, and nobody else.
func (k *kill) blames(t *testing.T, r *tracer.Report, late time.Duration) bool {
	t.Helper()
	if idle := k.peers[len(k.peers)-1].LocalAddr().String(); strings.Contains(r.Verdict, idle) {
		t.Errorf("%s: an innocent client is named: %s", k.service, r.Verdict)
		return false
	}
	if len(r.Checkpoints) == 0 {
		if strings.HasSuffix(r.Verdict, "it told nothing of what held it") {
			return true
		}
		t.Errorf("%s: nothing was told: %s", k.service, r.Verdict)
		return false
	}
	at := time.Duration(r.Checkpoints[len(r.Checkpoints)-1].Offset)
	if over := k.holding.changed(); over > 0 && at < over && k.killed > over+retold+late {
		t.Errorf("%s: nothing was told after %s: %s", k.service, at, r.Verdict)
		return false
	}
	want := k.holding.around(at, 200*time.Millisecond+late)
	phase := r.Phases[len(r.Phases)-1]
	for _, s := range want {
		peer := k.peers[s.peer].LocalAddr().String()
		if !strings.Contains(r.Verdict, peer) || !strings.Contains(r.Verdict, s.method) {
			continue
		}
		c := phase.Culprit
		if in := strings.HasPrefix(r.Verdict, "killed in "); in != phase.Open {
			continue
		}
		if !phase.Open || k.torn && c == nil {
			return true
		}
		if c != nil && c.Kind == s.kind && c.State == s.state && c.Method == s.method && c.Peer == peer {
			return true
		}
	}
	t.Errorf("%s: %s: want %v:\n%s\n%+v", k.service, at, want, r.Verdict, phase.Culprit)
	return len(want) == 0
}
