// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestApps stops programs of other kinds than `gracetrace serve`.
func TestApps(t *testing.T) {
	j := jaegerd.Start(t)
	p := program.Build(t)
	for name, test := range map[string]func(*testing.T, *jaegerd.Server, program.Program){
		"links": testLinks, "hostile": testHostile, "group": testGroup,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, j, p)
		})
	}
}

const (
	rollout     = "0af7651916cd43dd8448eb211c80319c"
	rolloutSpan = "b7ad6b7169203331"
)

// testLinks: what was stuck is linked to the application's own span of it, which
// comes when the RPC has ended and is in another trace; the shutdown to the rollout
// that made the process.
func testLinks(t *testing.T, j *jaegerd.Server, p program.Program) {
	a := startApp(t, j, "instrumented", "OTEL_SERVICE_NAME=linked", "GRACETRACE_GRACE_PERIOD=4s",
		"TRACEPARENT=00-"+rollout+"-"+rolloutSpan+"-01")
	program.Chat(t, program.Client(t, a.addr))
	a.Signal(t, syscall.SIGTERM)
	tree := jaegerd.Await(t, "the shutdown", shutdownOf(j, "linked", check.Root), complete)
	a.Wait(t)
	check.Tell(t, tree, check.Finished(tree))
	want := timeline.Link{Trace: rollout, Span: rolloutSpan}
	for _, n := range tree.Roots {
		if len(n.Foreign) != 1 || n.Foreign[0] != want {
			t.Errorf("%s has the links %v, want the rollout's", n.Name, n.Foreign)
		}
	}
	linked := 0
	for _, n := range tree.All() {
		if n.Name != "rpc Greeter/Chat" && n.Name != "handler Greeter/Chat" {
			continue
		}
		if linked++; len(n.Foreign) != 1 {
			t.Errorf("%s has the links %v", n.Name, n.Foreign)
			continue
		}
		own := jaegerd.Await(t, "the application's own trace", trace(j, n.Foreign[0].Trace), whole)
		if s := own.Find("greeter.v1.Greeter/Chat"); len(s) != 1 || s[0].ID != n.Foreign[0].Span {
			t.Errorf("the link leads to\n%swant the RPC's span", own.Outline())
		}
	}
	if linked < 3 {
		t.Errorf("%d spans of the RPC, want those of a checkpoint, of conn wait and of handler wait:\n%s",
			linked, tree.Outline())
	}
	made := wantLinks(t, j, tree)
	for _, pattern := range readUI(t).LinkPatterns {
		if made[pattern.Key] == 0 {
			t.Errorf("ui.json: no span has what the pattern of %s needs", pattern.Key)
		}
	}
	if made["shutdown.rpc.trace_id"] != linked {
		t.Errorf("%d of %d spans of the RPC have a link", made["shutdown.rpc.trace_id"], linked)
	}
	for path, r := range readBack(t, j, p, tree.ID) {
		if r.Verdict != tree.Roots[0].Attributes["shutdown.verdict"] {
			t.Errorf("report of %s: %s", path, r.Verdict)
		}
	}
}

// whole says that a trace of the application's is there.
func whole(tree *timeline.Tree) bool { return len(tree.Roots) > 0 }

// testHostile: nothing that a client says is in a name, and what is kept of it is
// bounded and has nothing that a terminal obeys, in Jaeger and in the report of what
// Jaeger has.
func testHostile(t *testing.T, j *jaegerd.Server, p program.Program) {
	const evil = "\u202eevil\u009b2J\xff<script>"
	long := evil + strings.Repeat("A", 4000)
	a := startApp(t, j, "instrumented", "OTEL_SERVICE_NAME=hostile", "GRACETRACE_GRACE_PERIOD=4s")
	c, err := servertest.Connect(t.Context(), servertest.DialTCP(a.addr), servertest.Obedient())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 3 {
		if _, err := c.Open(servertest.Call{
			Method: fmt.Sprintf("/%s%d/%s", evil, i, long), KeepOpen: true,
			Metadata: metadata.MD{"user-agent": {long}, "x-forwarded-for": {long}, "l5d-client-id": {long}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	taken, err := c.Sync()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-taken:
	case <-time.After(10 * time.Second):
		t.Fatal("the server has not answered the PING behind the calls")
	}
	a.Signal(t, syscall.SIGTERM)
	tree := jaegerd.Await(t, "the shutdown", shutdownOf(j, "hostile", check.Root), complete)
	a.Wait(t)
	check.Tell(t, tree, check.Finished(tree))
	calls := tree.Find("rpc _OTHER")
	if len(calls) < 3 {
		t.Errorf("%d calls:\n%s", len(calls), tree.Outline())
	}
	for _, n := range calls {
		for _, key := range []string{"rpc.method_original", "user_agent.original", "shutdown.client"} {
			if text, _ := n.Attributes[key].(string); !strings.Contains(text, "evil") {
				t.Errorf("%s is %q: this tests less than it says", key, text)
			}
		}
	}
	shown := p.Output(t, strings.NewReader(answer(t, j, tree.ID)), "report", "-")
	for _, bad := range []string{"\u202e", "\u009b", "\xff", "\x1b", strings.Repeat("A", 300)} {
		if strings.Contains(string(shown), bad) {
			t.Errorf("gracetrace report prints %q:\n%s", bad, shown)
		}
	}
}

func answer(t *testing.T, j *jaegerd.Server, id string) string {
	t.Helper()
	b, err := j.Answer(t.Context(), "/api/v3/traces/"+id)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// testGroup: a child of the root for each member, with the servers' own shutdowns
// below theirs.
func testGroup(t *testing.T, j *jaegerd.Server, p program.Program) {
	a := startApp(t, j, "group", "GRACETRACE_GRACE_PERIOD=4s")
	program.Chat(t, program.Client(t, a.addr))
	a.Signal(t, syscall.SIGTERM)
	all := func(tree *timeline.Tree) bool {
		return len(tree.Find("shutdown")) > 0 && len(tree.Orphans()) == 0
	}
	tree := jaegerd.Await(t, "the shutdown", shutdownOf(j, "group", "shutdown"), all)
	a.Wait(t)
	check.Tell(t, tree, check.Group(tree))
	var members []string
	for _, m := range tree.Roots[0].Children {
		members = append(members, m.Name)
	}
	if got := strings.Join(members, ", "); got != "member api, member admin, member store" &&
		got != "member admin, member api, member store" {
		t.Errorf("members: %s", got)
	}
	if len(tree.Find(check.Root)) != 2 {
		t.Errorf("%d servers:\n%s", len(tree.Find(check.Root)), tree.Outline())
	}
	verdict, _ := tree.Roots[0].Attributes["shutdown.verdict"].(string)
	if !strings.Contains(verdict, "api") || !strings.Contains(verdict, "rpc greeter.v1.Greeter/Chat") {
		t.Errorf("verdict: %s", verdict)
	}
	for path, r := range readBack(t, j, p, tree.ID) {
		if r.Verdict != verdict || len(r.Members) != 3 {
			t.Errorf("report of %s: %d members: %s", path, len(r.Members), r.Verdict)
		}
	}
}

// TestClients: a shutdown that was quick because its clients were not told is no
// success, and a lame duck counts who still came.
func TestClients(t *testing.T) {
	j := jaegerd.Start(t)
	p := program.Build(t).To("http://" + j.OTLP).With("GRACETRACE_GRACE_PERIOD=20s")
	t.Run("lame duck", func(t *testing.T) {
		t.Parallel()
		s := p.As("lame").Serve(t, "--lame-duck", "1500ms")
		hello(t, s.Addr) // whoever came before has been accepted, too
		s.Signal(t, syscall.SIGTERM)
		s.AwaitLog(t, "shutdown started")
		const clients = 3
		for range clients {
			hello(t, s.Addr)
		}
		tree := jaegerd.Await(t, "the shutdown", shutdownOf(j, "lame", check.Root), complete)
		s.Wait(t)
		check.Tell(t, tree, check.Finished(tree))
		if duck := tree.Find("lame duck"); len(duck) != 1 || duck[0].Duration() < 1_400_000 {
			t.Errorf("want a lame duck of 1.5 s:\n%s", tree.Outline())
		}
		if n := tree.Roots[0].Attributes["shutdown.clients.arrived"]; n != int64(clients) {
			t.Errorf("%v clients arrived, want %d", n, clients)
		}
	})
	t.Run("not told", func(t *testing.T) {
		t.Parallel()
		s := p.As("untold").Serve(t)
		// Before that, a client that has just come tells nothing.
		select {
		case <-time.After(10500 * time.Millisecond):
		case <-s.Exited:
			t.Fatal("serve exited")
		}
		hello(t, s.Addr)
		s.Signal(t, syscall.SIGTERM)
		tree := jaegerd.Await(t, "the shutdown", shutdownOf(j, "untold", check.Root), complete)
		check.Tell(t, tree, check.Finished(tree))
		root := tree.Roots[0]
		if d, _ := root.Attributes["shutdown.clients.last_accept"].(float64); d <= 0 || d > 1 {
			t.Errorf("last accept %v s before the close", d)
		}
		for path, r := range readBack(t, j, p, tree.ID) {
			if r.Outcome != tracer.OutcomeGraceful ||
				!strings.Contains(r.Verdict, "clients were still connecting") ||
				r.Verdict != root.Attributes["shutdown.verdict"] {
				t.Errorf("report of %s: %s: %s", path, r.Outcome, r.Verdict)
			}
		}
	})
}
