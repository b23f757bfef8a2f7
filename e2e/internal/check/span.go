// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// findings are sentences about a trace.
type findings []string

func (f *findings) addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// spanNames are the names that may stand in a trace. Nothing that a client can
// choose is one of them.
var spanNames = regexp.MustCompile(`^(` + strings.Join([]string{
	`(grpc\.server\.)?shutdown( started)?`,
	`(checkpoint )?(` + strings.Join(phases, "|") + `)`,
	`checkpoint shutdown`,
	`listener|handshake|connection|GOAWAY ack|linger|user hook|stop call|flush|summary`,
	`(rpc|handler) (Greeter/(SayHello|Watch|Upload|Chat)|Health/Watch|_OTHER)`,
	`member [a-z]+`, // the application's word
}, "|") + `)$`)

// phases are all that there are, those of GracefulStop in their order.
var phases = append([]string{"not serving", "lame duck", "ServeHTTP wait", "forced stop", "app flush"},
	CorePhases...)

// CorePhases are those of GracefulStop, in their order.
var CorePhases = []string{
	"quit", "listener close", "handshake wait", "GOAWAY", "conn wait", "handler wait",
}

// conventional are the attributes that are not our own.
var conventional = []string{
	"rpc.system.name", "rpc.method", "rpc.method_original", "network.peer.address",
	"network.peer.port", "user_agent.original", "error.type", "code.function.name",
	"code.stacktrace", warnings,
}

const (
	warnings     = "@jaeger@warnings" // Jaeger's own
	stacktrace   = "code.stacktrace"
	scope        = "github.com/gracetrace/gracetrace/tracer"
	kindInternal = 1
	// maxText bounds, in bytes, what one attribute may say. What a client has
	// chosen takes at most 256 of them.
	maxText   = 4 << 10
	maxClient = 256 + len("…")
)

// fromClients are attributes whose value a client has chosen.
var fromClients = []string{"rpc.method_original", "user_agent.original", "shutdown.client"}

// spans looks at each span for itself. It holds for every trace, of a killed
// process too.
func spans(tree *timeline.Tree) (f findings) {
	if len(tree.Duplicates) > 0 {
		f.addf("span ids sent twice: %v", tree.Duplicates)
	}
	all := tree.All()
	if len(all) == 0 {
		f.addf("no spans")
	}
	for _, n := range all {
		if !spanNames.MatchString(n.Name) {
			f.addf("span name %q", n.Name)
		}
		if n.Kind != kindInternal {
			f.addf("%s: kind %d, want INTERNAL", n.Name, n.Kind)
		}
		if n.Scope != scope || n.Version == "" {
			f.addf("%s: scope %q %q", n.Name, n.Scope, n.Version)
		}
		if n.Duration() < 1 {
			f.addf("%s: %d µs long", n.Name, n.Duration())
		}
		if diff := cmp.Diff(all[0].Resource, n.Resource); diff != "" {
			f.addf("%s: of another resource than %s (-want +got):\n%s", n.Name, all[0].Name, diff)
		}
		f.attributes(n)
		f.links(n)
		f.named(n)
	}
	if len(all) > 0 {
		f.resource(all[0])
	}
	return f
}

// resource wants what tells one process from another. Without host.name Jaeger
// would correct its clock.
func (f *findings) resource(n *timeline.Node) {
	for _, key := range []string{
		"service.name", "service.instance.id", "host.name", "process.pid",
		"telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version",
	} {
		if n.Resource[key] == nil {
			f.addf("no %s in the resource", key)
		}
	}
}

func (f *findings) attributes(n *timeline.Node) {
	for key, value := range n.Attributes {
		if !strings.HasPrefix(key, "shutdown.") && !slices.Contains(conventional, key) {
			f.addf("%s: an attribute %q", n.Name, key)
		}
		for _, text := range texts(value) {
			limit := maxText
			if slices.Contains(fromClients, key) {
				limit = maxClient
			}
			if len(text) > limit {
				f.addf("%s: %d bytes in %s", n.Name, len(text), key)
			}
			bad := func(r rune) bool {
				return (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) && (r != '\n' || key != stacktrace)
			}
			if key != warnings && (strings.ContainsFunc(text, bad) || !utf8.ValidString(text)) {
				f.addf("%s: %s is not for a terminal: %.100q", n.Name, key, text)
			}
		}
	}
}

// texts are those in an attribute's value.
func texts(value any) (all []string) {
	switch v := value.(type) {
	case string:
		all = append(all, v)
	case []any:
		for _, e := range v {
			all = append(all, texts(e)...)
		}
	}
	return all
}

// links lead out of the trace: one within would move the span in Jaeger's tree.
// They are of the roots, to the rollout, and of RPCs, to the application's spans.
func (f *findings) links(n *timeline.Node) {
	if len(n.Links) > 0 {
		f.addf("%s: a link into its own trace", n.Name)
	}
	rpc := strings.HasPrefix(n.Name, "rpc ") || strings.HasPrefix(n.Name, "handler ")
	if len(n.Foreign) > 0 && n.Parent != "" && !rpc {
		f.addf("%s: a link", n.Name)
	}
}

// named wants the attributes to say what the name says.
func (f *findings) named(n *timeline.Node) {
	what := strings.TrimPrefix(n.Name, "checkpoint ")
	kind, method, _ := strings.Cut(n.Name, " ")
	switch {
	case slices.Contains(phases, what):
		if n.Attributes["shutdown.phase"] != what {
			f.addf("%s: shutdown.phase is %v", n.Name, n.Attributes["shutdown.phase"])
		}
		f.has(n, "shutdown.end.handshakes", "shutdown.end.connections", "shutdown.end.rpcs",
			"shutdown.end.handlers")
		if what == n.Name {
			f.has(n, "shutdown.start.handshakes", "shutdown.start.connections", "shutdown.start.rpcs",
				"shutdown.start.handlers")
		}
	case kind == "rpc" || kind == "handler":
		full, _ := n.Attributes["rpc.method"].(string)
		if full != method && !strings.HasSuffix(full, "."+method) {
			f.addf("%s: rpc.method is %q", n.Name, full)
		}
		f.has(n, "rpc.system.name", "shutdown.holder.state")
		f.holder(n, kind)
	case slices.Contains([]string{"listener", "handshake", "connection", "user hook"}, n.Name):
		f.holder(n, n.Name)
	}
}

// holder wants its kind and that it is at least as old as its bar is long, which
// may be drawn shorter.
func (f *findings) holder(n *timeline.Node, kind string) {
	f.has(n, "shutdown.phase")
	if n.Attributes["shutdown.holder.kind"] != kind {
		f.addf("%s: shutdown.holder.kind is %v", n.Name, n.Attributes["shutdown.holder.kind"])
	}
	if age, _ := n.Attributes["shutdown.holder.age"].(float64); age*1e6 < float64(n.Duration()-ticks) {
		f.addf("%s: %v s old, its bar is %d µs", n.Name, age, n.Duration())
	}
}

func (f *findings) has(n *timeline.Node, keys ...string) {
	for _, key := range keys {
		if n.Attributes[key] == nil {
			f.addf("%s: no %s", n.Name, key)
		}
	}
}
