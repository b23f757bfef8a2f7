// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/tracer"
)

// combinations are those that the files' first lines tell users to start.
var combinations = []struct {
	tool  string
	files []string
	// broken is in one of the files; without it the tool has to complain, or
	// it would not have looked.
	broken string
}{
	{"collector", []string{"fleet/collector.yaml"}, "decision_wait:"},
	{"collector", []string{"fleet/collector.yaml", "fleet/kafka.yaml"}, "required_acks:"},
	{"jaeger", []string{"jaeger/config.yaml", "fleet/monitor.yaml"}, "normalize_calls:"},
	{"jaeger", []string{"jaeger/config.yaml", "fleet/opensearch.yaml"}, "max_doc_count:"},
	{"jaeger", []string{"jaeger/config.yaml", "fleet/clickhouse.yaml"}, "create_schema:"},
	{"jaeger", []string{"jaeger/config.yaml", "fleet/ingester.yaml", "fleet/opensearch.yaml"}, "message_marking:"},
	{"jaeger", []string{"jaeger/config.yaml", "fleet/ingester.yaml", "fleet/clickhouse.yaml"}, "group_id:"},
}

func TestConfigurations(t *testing.T) {
	for _, c := range combinations {
		t.Run(c.tool+" "+strings.Join(c.files, " "), func(t *testing.T) {
			bin := binary(t, c.tool)
			if out, err := validate(t, bin, c.files); err != nil {
				t.Fatalf("validate: %v\n%s", err, out)
			}
			bad := make([]string, len(c.files))
			for i, name := range c.files {
				text := strings.ReplaceAll(jaegerd.File(t, name), c.broken, "no_such_"+c.broken)
				bad[i] = filepath.Join(t.TempDir(), filepath.Base(name))
				if err := os.WriteFile(bad[i], []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := validate(t, bin, bad); err == nil {
				t.Errorf("validate accepts no_such_%s\n%s", c.broken, out)
			}
		})
	}
}

func validate(t *testing.T, bin string, configs []string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin, "validate")
	for _, name := range configs {
		cmd.Args = append(cmd.Args, "--config", forVersion(t, bin, name))
	}
	cmd.Dir = jaegerd.Root(t)
	return cmd.CombinedOutput()
}

// topics is how Kafka's receiver has the names of topics since the collector's
// 0.142; Jaeger 2.13, which has 0.140, knows one topic only.
var topics = regexp.MustCompile(`topics: \[(\w+)\]`)

// forVersion is the configuration as the tool takes it: a copy if the tool is older
// than the configuration.
func forVersion(t *testing.T, bin, config string) string {
	t.Helper()
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	receiver := slices.IndexFunc(info.Deps, func(m *debug.Module) bool {
		return strings.HasSuffix(m.Path, "/receiver/kafkareceiver")
	})
	if receiver < 0 || info.Deps[receiver].Version > "v0.142" {
		return config
	}
	if !filepath.IsAbs(config) {
		config = filepath.Join(jaegerd.Root(t), filepath.FromSlash(config))
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	older := filepath.Join(t.TempDir(), filepath.Base(config))
	if err := os.WriteFile(older, topics.ReplaceAll(text, []byte("topic: $1")), 0o600); err != nil {
		t.Fatal(err)
	}
	return older
}

func TestRules(t *testing.T) {
	promtool := debian(t, "promtool")
	for _, args := range [][]string{
		{"check", "config", "fleet/prometheus.yaml"},
		{"check", "rules", "--lint-fatal", "fleet/alerts.yaml"},
		{"test", "rules", "fleet/alerts_test.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, args...)
		cmd.Dir = jaegerd.Root(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

var (
	runbook  = regexp.MustCompile(`runbook_url: https://github.com/gracetrace/gracetrace/blob/main/(.+)#(.+)`)
	alert    = regexp.MustCompile(`- alert: `)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

func TestRunbooks(t *testing.T) {
	rules := jaegerd.File(t, "fleet/alerts.yaml")
	links := runbook.FindAllStringSubmatch(rules, -1)
	if want := len(alert.FindAllString(rules, -1)); len(links) != want {
		t.Fatalf("%d runbooks for %d alerts", len(links), want)
	}
	for _, link := range links {
		if !anchors(jaegerd.File(t, link[1]))[link[2]] {
			t.Errorf("%s has no heading #%s", link[1], link[2])
		}
	}
}

// anchors are those that GitHub gives the headings of a page.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, heading := range headings.FindAllStringSubmatch(page, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		out[strings.ReplaceAll(kept, " ", "-")] = true
	}
	return out
}

// What is counted has the names of the phases that there are; of those that
// clients or methods name, none.
func TestCountedNames(t *testing.T) {
	text := strings.Join(strings.Fields(jaegerd.File(t, "fleet/collector.yaml")), " ")
	found := regexp.MustCompile(`IsMatch\(name, "([^"]+)"\)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatal("filter/counted has no list of names")
	}
	counted := regexp.MustCompile(strings.ReplaceAll(found[1], `\\`, `\`))
	for _, name := range []string{
		string(tracer.PhaseNotServing), string(tracer.PhaseLameDuck), string(tracer.PhaseQuit),
		string(tracer.PhaseListenerClose), string(tracer.PhaseHandshakeWait), string(tracer.PhaseGoAway),
		string(tracer.PhaseConnWait), string(tracer.PhaseForcedStop), string(tracer.PhaseHandlerWait),
		string(tracer.PhaseAppFlush), "ServeHTTP wait",
		"grpc.server.shutdown", "grpc.server.shutdown started", "shutdown", "shutdown started",
	} {
		if !counted.MatchString(name) {
			t.Errorf("%q is not counted", name)
		}
	}
	for _, name := range []string{
		"rpc Greeter/Watch", "handler Greeter/Watch", "connection", "checkpoint conn wait", "member grpc",
		"handshake", "conn wait of another library",
	} {
		if counted.MatchString(name) {
			t.Errorf("%q is counted", name)
		}
	}
}
