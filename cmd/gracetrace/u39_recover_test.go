// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/tracer"
)

// nowhere is the endpoint of a collector that is not there.
const nowhere = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"

// TestU39RecoverAfterKill: processes that are killed at any moment of a stop that one
// client holds, every other one without a collector. Some have ended before, some were
// forced to. What a spool has kept is sent by a recovery that is killed itself, by the
// next one, and by a start at the same time: of each run one whole trace that says how
// it ended and, from 1.2 s on, who held it.
func TestU39RecoverAfterKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	spool := "GRACETRACE_SPOOL_DIR=" + dir
	live := record(t, 0)
	all, late := killAtRandom(t, kills(t), func(k *kill) []string {
		env := []string{spool, []string{live.endpoint, nowhere}[k.n%2]}
		if k.n%3 == 0 && k.holding.stages[0].kind != tracer.HolderHandshake {
			env = append(env, "GRACETRACE_GRACE_PERIOD="+shortGrace.String())
		}
		return env
	})
	live.end()
	torn := tear(t, dir, live)
	after := record(t, 20*time.Millisecond) // so that a recovery lasts
	recoverAndKill(t, after, spool, dir)
	recoverTogether(t, after, spool, dir)
	after.end()
	outcomes := make(map[string]int)
	for _, k := range all {
		got := append(live.of(k.service), after.of(k.service)...)
		k.torn = k.service == torn
		outcome, ok := k.judgeRecovered(t, got, late)
		outcomes[outcome]++
		if !ok {
			t.Logf("%s: %s, killed after %s, outcome %q; timers were late by %s", k.service,
				k.holding.name, k.killed, k.outcome(), late)
		}
	}
	t.Logf("%d runs: %v", len(all), outcomes)
	if outcomes["killed"] < len(all)/3 || len(all) >= 20 && outcomes["forced"] == 0 {
		t.Errorf("outcomes: %v", outcomes)
	}
}

// shortGrace is a grace period that is over before most kills come.
const shortGrace = 3 * time.Second

// tear cuts the end off a file of a run of which no collector has heard, as a kill in
// the middle of a write does, and returns that run.
func tear(t *testing.T, dir string, live *recorder) (service string) {
	t.Helper()
	for _, f := range filesIn(t, dir) {
		path := filepath.Join(dir, f.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		service = runName.FindString(string(text)) // none in a .taken
		lines := strings.Count(string(text), "\n")
		if service == "" || lines < 3 || strings.Contains(string(text), `"grpc.server.shutdown"`) ||
			len(live.of(service)) > 0 { // by the next one's start, perhaps
			continue
		}
		if err := os.Truncate(path, int64(len(text)-20)); err != nil {
			t.Fatal(err)
		}
		return service
	}
	t.Error("nothing to tear")
	return ""
}

var runName = regexp.MustCompile(`run-\d+`)

// recoverAndKill kills a recovery in its middle: which file it is at, and whether that
// was sent, nobody knows.
func recoverAndKill(t *testing.T, c *recorder, spool, dir string) {
	t.Helper()
	before := len(filesIn(t, dir))
	middle := c.stall(before / 2)
	r := start(t, gracetrace(t, []string{"OTEL_TRACES_EXPORTER=otlp", c.endpoint, spool}, "recover", dir))
	select {
	case <-middle:
	case <-t.Context().Done():
		t.Fatal("nothing is recovered")
	}
	r.signal(t, os.Kill)
	if got := r.wait(t); got.code >= 0 {
		t.Errorf("the recovery ended before it was killed:\n%s", got.stdout)
	}
	if n := len(filesIn(t, dir)); n == 0 || n == before {
		t.Errorf("%d files of %d are left: it was not killed in its middle", n, before)
	}
}

// recoverTogether recovers what is left by two at the same time: a start, and the
// command, which leaves alone what the other has.
func recoverTogether(t *testing.T, c *recorder, spool, dir string) {
	t.Helper()
	env := []string{"OTEL_TRACES_EXPORTER=otlp", c.endpoint, spool}
	server := start(t, gracetrace(t, env, "serve", "--addr", "127.0.0.1:0"))
	command := begin(t, gracetrace(t, env, "recover", dir))
	if r := command(t); r.code != exitOK {
		t.Errorf("recover: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for tick := time.NewTicker(20 * time.Millisecond); len(filesIn(t, dir)) > 0; <-tick.C {
		if t.Context().Err() != nil {
			t.Fatalf("left in the spool: %v", filesIn(t, dir))
		}
	}
	server.signal(t, os.Kill)
	server.wait(t)
}

func filesIn(t *testing.T, dir string) []fs.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// judgeRecovered compares the trace of a run with what was arranged, and with what the
// run has logged of itself.
func (k *kill) judgeRecovered(t *testing.T, got []message, late time.Duration) (outcome string, ok bool) {
	t.Helper()
	if len(got) == 0 {
		if k.ended() || k.killed > told+late {
			t.Errorf("%s: no trace", k.service)
		}
		return "none", !t.Failed()
	}
	before := t.Failed()
	k.wholeOnce(t, got)
	r := reported(t, got)
	switch outcome = string(r.Outcome); {
	case !strings.Contains(r.Verdict, " "):
		t.Errorf("%s: verdict %q", k.service, r.Verdict)
	case !k.mayBe(outcome, late):
		t.Errorf("%s: %s, its log says %q: %s", k.service, outcome, k.outcome(), r.Verdict)
	case outcome != "killed" && !strings.Contains(r.Verdict, k.peers[0].LocalAddr().String()):
		t.Errorf("%s: the holder is not named: %s", k.service, r.Verdict)
	case outcome == "killed" && len(r.Checkpoints) == 0 && k.killed > holderTold+late && k.outcome() == "" && !k.torn:
		t.Errorf("%s: no checkpoint: %s", k.service, r.Verdict)
	case outcome == "killed":
		k.blames(t, r, late)
	}
	return outcome, before || !t.Failed()
}

// mayBe reports whether a run that has logged what it has can have that outcome. Its
// last spans are written a moment after its log.
func (k *kill) mayBe(outcome string, late time.Duration) bool {
	switch k.outcome() {
	case "":
		return outcome == "killed"
	case outcome:
		return true
	}
	return outcome == "killed" && k.sinceEnd() < 50*time.Millisecond+late
}

// sinceEnd is how long after its own end a process was killed.
func (k *kill) sinceEnd() time.Duration {
	m := finishedAt.FindStringSubmatch(k.result.stderr)
	if m == nil || k.killed == 0 {
		return 0
	}
	at, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		return 0
	}
	return k.signalled.Add(k.killed).Sub(at)
}

var finishedAt = regexp.MustCompile(`time=(\S+) level=\w+ msg="shutdown finished"`)

// wholeOnce wants one whole trace, of which what was sent twice was the same, with its
// resource and its scope: Jaeger shows only such copies once.
func (k *kill) wholeOnce(t *testing.T, got []message) {
	t.Helper()
	sent := make(map[string]string)
	first := make(map[string]*tracepb.Span)
	traces := make(map[string]bool)
	var spans []*tracepb.Span
	for _, m := range got {
		otlpjson.Each(m.spans, func(rs *tracepb.ResourceSpans, ss *tracepb.ScopeSpans, s *tracepb.Span) {
			text := bytesOf(t, rs.GetResource()) + rs.GetSchemaUrl() + bytesOf(t, ss.GetScope()) +
				ss.GetSchemaUrl() + bytesOf(t, s)
			before, again := sent[string(s.GetSpanId())]
			if again && text != before {
				t.Errorf("%s: %s was sent twice, and not the same, or of another resource:\n%s", k.service,
					s.GetName(), cmp.Diff(first[string(s.GetSpanId())], s, protocmp.Transform()))
			}
			if !again {
				first[string(s.GetSpanId())] = s
				spans = append(spans, s)
			}
			sent[string(s.GetSpanId())] = text
			traces[string(s.GetTraceId())] = true
		})
	}
	if len(traces) != 1 {
		t.Errorf("%s: %d traces", k.service, len(traces))
	}
	whole(t, spans)
}

func bytesOf(t *testing.T, m proto.Message) string {
	t.Helper()
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
