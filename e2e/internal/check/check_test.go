// SPDX-License-Identifier: Apache-2.0

package check_test

import (
	"maps"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// spans are those of testdata/forced.json: what Jaeger 2.13 answers about
// `gracetrace demo --scenario recv --grace 3s`.
func spans(t *testing.T) []*timeline.Span {
	t.Helper()
	body, err := os.ReadFile("testdata/forced.json")
	if err != nil {
		t.Fatal(err)
	}
	trees, err := jaegerd.Trees(body)
	if err != nil || len(trees) != 1 {
		t.Fatalf("%d traces: %v", len(trees), err)
	}
	var all []*timeline.Span
	for _, n := range trees[0].All() {
		n.Attributes, n.Resource = maps.Clone(n.Attributes), maps.Clone(n.Resource)
		all = append(all, n.Span)
	}
	return all
}

// killed is what would be there if the process had been killed after its second
// checkpoint.
func killed(t *testing.T) (left []*timeline.Span) {
	t.Helper()
	for _, s := range spans(t) {
		switch s.Name {
		case check.Root, "conn wait", "connection", "forced stop", "handler wait", "handler Greeter/Chat":
			continue
		case "rpc Greeter/Chat":
			if s.Attributes["shutdown.open"] != true {
				continue
			}
		}
		left = append(left, s)
	}
	for _, s := range left {
		if s.Name == "quit" {
			s.Attributes["@jaeger@warnings"] = []any{"parent is not in the trace; skipping clock skew adjustment"}
		}
	}
	return left
}

func named(t *testing.T, spans []*timeline.Span, name string) *timeline.Span {
	t.Helper()
	for _, s := range spans {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span %q", name)
	return nil
}

// A change breaks the trace at the first span of a name.
type change struct {
	span string
	do   func(*timeline.Span)
	want string // a part of the finding
}

func set(key string, value any) func(*timeline.Span) {
	return func(s *timeline.Span) { s.Attributes[key] = value }
}

func unset(key string) func(*timeline.Span) {
	return func(s *timeline.Span) { delete(s.Attributes, key) }
}

func linked(s *timeline.Span) { s.Foreign = []timeline.Link{{Trace: "x", Span: "x"}} }

// everywhere are changes of any trace.
var everywhere = []change{
	{"quit", func(s *timeline.Span) { s.Name = "quit by 10.0.0.7" }, "span name"},
	{"rpc Greeter/Chat", func(s *timeline.Span) { s.Name = "rpc Greeter/Evil" }, "span name"},
	{"quit", func(s *timeline.Span) { s.Kind = 2 }, "INTERNAL"},
	{"quit", func(s *timeline.Span) { s.Scope = "other" }, "scope"},
	{"quit", func(s *timeline.Span) { s.Version = "" }, "scope"},
	{"quit", func(s *timeline.Span) { s.End = s.Start }, "0 µs long"},
	{"quit", func(s *timeline.Span) { s.Resource["process.pid"] = int64(1) }, "another resource"},
	{check.Started, func(s *timeline.Span) { delete(s.Resource, "host.name") }, "resource"},
	{"quit", func(s *timeline.Span) { s.Links = []string{"x"} }, "its own trace"},
	{"quit", linked, "quit: a link"},
	{"quit", set("client", "x"), `an attribute "client"`},
	{"quit", set("shutdown.phase", "conn wait"), "shutdown.phase"},
	{"quit", unset("shutdown.end.rpcs"), "shutdown.end.rpcs"},
	{"quit", unset("shutdown.start.rpcs"), "shutdown.start.rpcs"},
	{"rpc Greeter/Chat", set("rpc.method", "greeter.v1.Greeter/Watch"), "rpc.method"},
	{"rpc Greeter/Chat", set("shutdown.holder.kind", "handler"), "holder.kind"},
	{"rpc Greeter/Chat", set("shutdown.holder.age", 0.01), "s old"},
	{"rpc Greeter/Chat", unset("rpc.system.name"), "rpc.system.name"},
	{"rpc Greeter/Chat", set("user_agent.original", strings.Repeat("x", 300)), "300 bytes"},
	{"rpc Greeter/Chat", set("user_agent.original", "a\x1b[2J"), "terminal"},
	{"rpc Greeter/Chat", set("shutdown.holder.detail", "a\u202eb"), "terminal"},
	{"rpc Greeter/Chat", set("shutdown.holder.detail", "a\nb"), "terminal"},
	{"rpc Greeter/Chat", set("code.stacktrace", strings.Repeat("x", 5000)), "5000 bytes"},
	{"checkpoint conn wait", unset("shutdown.verdict"), "shutdown.verdict"},
	{"checkpoint conn wait", set("shutdown.elapsed", 20.0), "are over"},
	{"checkpoint conn wait", func(s *timeline.Span) { s.Start += 100 }, "no checkpoint's"},
	{"checkpoint conn wait", func(s *timeline.Span) { s.Start -= 2 }, "the one before"},
	{"checkpoint conn wait", func(s *timeline.Span) { s.Name = "quit" }, "below"},
}

func TestCatchesFinished(t *testing.T) {
	blamed := "shutdown.holder.culprit"
	for _, c := range append(everywhere, []change{
		{check.Root, set("shutdown.outcome", "graceful"), "error status"},
		{check.Root, set("shutdown.outcome", "good"), `outcome "good"`},
		{check.Root, func(s *timeline.Span) { s.Error = false }, "error status"},
		{check.Root, set("error.type", "killed"), "error.type"},
		{check.Root, unset("shutdown.verdict"), "shutdown.verdict"},
		{check.Root, set("shutdown.source", "listener"), "shutdown.source"},
		{check.Root, func(s *timeline.Span) { s.Name = "quit" }, "roots"},
		{check.Root, linked, "page is named after"},
		{check.Root, func(s *timeline.Span) { s.ID = "other" }, "Incomplete"},
		{check.Root, func(s *timeline.Span) { s.End += 500 }, "are nobody's"},
		{check.Started, func(s *timeline.Span) { s.Start++ }, "after its root"},
		{check.Started, func(s *timeline.Span) { s.End += 5 }, "started is 6 µs long"},
		{"quit", set("@jaeger@warnings", []any{"clock skew"}), "Jaeger warns"},
		{"listener close", func(s *timeline.Span) { s.Start -= 2 }, "want at least 1"},
		{"handler wait", func(s *timeline.Span) { s.Start += 5 }, "are nobody's"},
		{"GOAWAY", func(s *timeline.Span) { s.Name = "app flush" }, `phase "GOAWAY" is missing`},
		{"connection", func(s *timeline.Span) { s.End += 10_000_000 }, "sticks out"},
		{"conn wait", unset("shutdown.culprit"), "the culprit is"},
		{"connection", unset(blamed), "the culprit is"},
	}...) {
		all := spans(t)
		if f := check.Finished(timeline.NewTree(all)); len(f) > 0 {
			t.Fatalf("as it is: %q", f)
		}
		c.do(named(t, all, c.span))
		wantFinding(t, &c, check.Finished(timeline.NewTree(all)))
	}
	all := spans(t)
	all = append(all, named(t, all, "quit"))
	wantFinding(t, &change{"quit", nil, "sent twice"}, check.Finished(timeline.NewTree(all)))
	if f := check.Finished(timeline.NewTree(nil)); len(f) == 0 {
		t.Error("nothing is said of an empty trace")
	}
}

func wantFinding(t *testing.T, c *change, findings []string) {
	t.Helper()
	if !strings.Contains(strings.Join(findings, "\n"), c.want) {
		t.Errorf("%s: want a finding with %q, got %q", c.span, c.want, findings)
	}
}

func TestCatchesKilled(t *testing.T) {
	const holder = "rpc Greeter/Chat"
	for _, c := range append(everywhere, []change{
		{"quit", set("@jaeger@warnings", []any{"clock skew"}), "Jaeger warns"},
		{"quit", func(s *timeline.Span) { s.Name = check.Root }, "it was killed"},
		{check.Started, func(s *timeline.Span) { s.Name = "quit" }, "not named after"},
		{holder, unset("shutdown.open"), "not marked as open"},
	}...) {
		all := killed(t)
		if f := check.Killed(timeline.NewTree(all), holder); len(f) > 0 {
			t.Fatalf("as it is: %q", f)
		}
		c.do(named(t, all, c.span))
		wantFinding(t, &c, check.Killed(timeline.NewTree(all), holder))
	}
	tree := timeline.NewTree(killed(t))
	wantFinding(t, &change{"", nil, "no \"handshake\""}, check.Killed(tree, "handshake"))
	last := tree.Title().Children[len(tree.Title().Children)-1]
	delete(last.Children[0].Attributes, "shutdown.holder.culprit")
	wantFinding(t, &change{"", nil, "blames"}, check.Killed(tree, holder))
}
