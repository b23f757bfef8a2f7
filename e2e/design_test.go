// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// finished is a shutdown as Jaeger has it when all went well for us and badly
// for the server: a client that never shook hands, one that never acknowledged
// the PING, and a stream that only the forced stop could end.
const finished = `grpc.server.shutdown  0s +25s
  quit  2µs +12µs
  listener close  15µs +85µs
  handshake wait  101µs +3s
    handshake  101µs +3s
  GOAWAY  3.000102s +400µs
  conn wait  3.000503s +21.957394s
    connection  3.000503s +6s
      GOAWAY ack  3.000503s +5s
      linger  8.000504s +999.999ms
    connection  3.000504s +21.957393s
      GOAWAY ack  3.000504s +1.1ms
      rpc Greeter/Watch  3.000504s +21.957393s
  forced stop  24.957898s +2.1ms
  handler wait  24.959999s +40ms
    handler Greeter/Watch  24.959999s +40ms
grpc.server.shutdown started  1µs +1µs
  checkpoint handshake wait  2µs +1s
    handshake  2µs +1s
  checkpoint handshake wait  1.000003s +2s
    handshake  1.000003s +2s
  checkpoint conn wait  3.000004s +3s
    rpc Greeter/Watch  3.000504s +2.9995s
`

// brief is a shutdown that nothing held.
const brief = `grpc.server.shutdown  0s +30µs
grpc.server.shutdown started  1µs +1µs
`

// killed is the first shutdown when SIGKILL came at 17 s: nothing that was still
// open has arrived.
const killed = `grpc.server.shutdown  0s +25s unsent
  quit  2µs +12µs
  listener close  15µs +85µs
  handshake wait  101µs +3s
    handshake  101µs +3s
  GOAWAY  3.000102s +400µs
  conn wait  3.000503s +21.957394s unsent
    connection  3.000503s +6s
      GOAWAY ack  3.000503s +5s
      linger  8.000504s +999.999ms
    connection  3.000504s +21.957393s unsent
      GOAWAY ack  3.000504s +1.1ms
grpc.server.shutdown started  1µs +1µs
  checkpoint handshake wait  2µs +1s
    handshake  2µs +1s
  checkpoint handshake wait  1.000003s +2s
    handshake  1.000003s +2s
  checkpoint conn wait  3.000004s +3s
    rpc Greeter/Watch  3.000504s +2.9995s
  checkpoint conn wait  6.000005s +5s
    rpc Greeter/Watch  6.000005s +5s
  checkpoint conn wait  11.000006s +5s
    rpc Greeter/Watch  11.000006s +5s
`

func shutdown(outline string, id byte) *handmade {
	return &handmade{
		id:      [16]byte{0: 0x67, 15: id},
		begin:   time.Now().Add(-time.Minute).Truncate(time.Microsecond),
		outline: outline,
		attributes: map[string]map[string]string{
			"grpc.server.shutdown": {"error.type": "forced", "shutdown.outcome": "forced"},
			"handshake":            {"network.peer.address": "10.0.0.9"},
		},
		failed: "grpc.server.shutdown",
	}
}

func read(t *testing.T, j *jaegerd.Server, h *handmade) *timeline.Tree {
	t.Helper()
	tree, err := j.Trace(t.Context(), h.traceID())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range tree.Warnings() {
		// What a killed process leaves has this on every span without its parent.
		if !strings.Contains(w, "is not in the trace; skipping clock skew") {
			t.Errorf("Jaeger warns: %s", w)
		}
	}
	if len(tree.Duplicates) > 0 {
		t.Errorf("span ids sent twice: %v", tree.Duplicates)
	}
	return tree
}

func TestFinishedShutdown(t *testing.T) {
	j := jaegerd.Start(t)
	h := shutdown(finished, 1)
	h.send(t, j)
	tree := read(t, j, h)

	if diff := cmp.Diff(finished, tree.Outline()); diff != "" {
		t.Errorf("what came back is not what was sent (-want +got):\n%s", diff)
	}
	if w := tree.Warnings(); len(w) > 0 {
		t.Errorf("Jaeger warns: %q", w)
	}
	if o := tree.Orphans(); len(o) > 0 {
		t.Errorf("%d spans without their parent: the page says Incomplete", len(o))
	}
	if got := tree.Title().Name; got != "grpc.server.shutdown" {
		t.Errorf("the page is called %q", got)
	}
	var path []string
	for _, s := range slices.Backward(tree.CriticalPath()) {
		if s.Up != nil && s.Duration() > 10 {
			path = append(path, s.Name)
		}
	}
	want := []string{
		"quit", "listener close", "handshake", "GOAWAY", "rpc Greeter/Watch",
		"forced stop", "handler Greeter/Watch",
	}
	if diff := cmp.Diff(want, path); diff != "" {
		t.Errorf("critical path (-want +got):\n%s", diff)
	}
}

func TestKilledShutdown(t *testing.T) {
	j := jaegerd.Start(t)
	h := shutdown(killed, 2)
	h.send(t, j)
	tree := read(t, j, h)

	if len(tree.Orphans()) == 0 {
		t.Error("nothing makes the page say Incomplete")
	}
	for what, n := range map[string]*timeline.Node{"page": tree.Title(), "result": tree.Result()} {
		if n == nil || n.Name != "grpc.server.shutdown started" {
			t.Errorf("the %s is named after %v, want the started span", what, n)
		}
	}
	longest := slices.MaxFunc(tree.Find("grpc.server.shutdown started")[0].Children,
		func(a, b *timeline.Node) int { return int(a.Start - b.Start) })
	if got := fmt.Sprint(longest.Name, "/", longest.Children[0].Name); got !=
		"checkpoint conn wait/rpc Greeter/Watch" {
		t.Errorf("the last checkpoint shows %q, want the holder in it", got)
	}
}

// A TRACEPARENT in the environment becomes a link. The page is named after the
// parentless span with the fewest references, so started must carry the link
// too, or a shutdown that finished is titled as one that only started.
func TestLinkKeepsTitle(t *testing.T) {
	j := jaegerd.Start(t)
	h := shutdown(finished, 3)
	h.link = []byte("the rollout here")
	h.send(t, j)
	tree := read(t, j, h)
	if got := tree.Title().Name; got != "grpc.server.shutdown" {
		t.Errorf("the page is called %q", got)
	}
	if len(tree.Orphans()) > 0 {
		t.Error("a link into another trace makes the page say Incomplete")
	}
	if len(tree.CriticalPath()) < 7 {
		t.Error("a link into another trace loses the critical path")
	}
}

// What is sent twice is shown once if it is the same in each byte, and only then:
// a recovery must not change anything.
func TestSentTwice(t *testing.T) {
	j := jaegerd.Start(t)
	h := shutdown(finished, 4)
	h.send(t, j)
	h.send(t, j)
	if diff := cmp.Diff(finished, read(t, j, h).Outline()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.attributes = nil
	h.send(t, j)
	tree, err := j.Trace(t.Context(), h.traceID())
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Duplicates) != 4 {
		t.Errorf("%d duplicates, want the root and three handshakes, which have changed", len(tree.Duplicates))
	}
}

// Each link of the menu finds what its label says.
func TestMenuFinds(t *testing.T) {
	j := jaegerd.Start(t)
	done, dead := shutdown(finished, 1), shutdown(killed, 2)
	clean, quick := shutdown(finished, 3), shutdown(brief, 4)
	clean.attributes, clean.failed = nil, ""
	quick.attributes, quick.failed = nil, ""
	saved := shutdown(finished, 5)
	saved.attributes["grpc.server.shutdown"]["error.type"] = "killed"
	for _, h := range []*handmade{done, dead, clean, quick, saved} {
		h.send(t, j)
	}
	want := map[string][]*handmade{
		"All that finished":                  {done, clean, quick, saved},
		"Forced at the deadline":             {done},
		"Slow: 10 s and more":                {done, clean, saved},
		"All that started (killed ones too)": {done, dead, clean, quick, saved},
		"Killed, and recovered from a spool": {saved},
	}
	for label, q := range readUI(t).searches(t) {
		ids, err := j.Find(t.Context(), jaegerd.Search{
			Service: q.Get("service"), Operation: q.Get("operation"), Tags: q.Get("tags"),
			MinDuration: q.Get("minDuration"), Since: 48 * time.Hour, Limit: 100,
		})
		if err != nil {
			t.Errorf("%s: %v", label, err)
			continue
		}
		slices.Sort(ids)
		if want[label] == nil {
			t.Errorf("menu entry %q: say here what it finds", label)
		}
		var wanted []string
		for _, h := range want[label] {
			wanted = append(wanted, h.traceID())
		}
		if diff := cmp.Diff(wanted, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", label, diff)
		}
	}
}
