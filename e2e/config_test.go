// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// TestJaegerAcceptsConfig: both configurations are valid, and a field that Jaeger has
// dropped would be noticed.
func TestJaegerAcceptsConfig(t *testing.T) {
	validate := func(configs ...string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), jaegerd.Binary(t), "validate")
		for _, name := range configs {
			cmd.Args = append(cmd.Args, "--config", name)
		}
		cmd.Dir = jaegerd.Root(t)
		return cmd.CombinedOutput()
	}
	const base, badger = "jaeger/config.yaml", "jaeger/badger.yaml"
	for _, configs := range [][]string{{base}, {base, badger}} {
		if out, err := validate(configs...); err != nil {
			t.Errorf("%v: %v\n%s", configs, err, out)
		}
	}
	if out, err := validate(base, breakField(t, badger, "consistency:")); err == nil {
		t.Errorf("jaeger validate accepts an unknown field:\n%s", out)
	}
	if out, err := validate(breakField(t, base, "enable_tracing:")); err == nil {
		t.Errorf("jaeger validate accepts an unknown field:\n%s", out)
	}
}

// breakField copies a configuration in which a field has another name.
func breakField(t *testing.T, config, field string) string {
	t.Helper()
	good := readText(t, filepath.Join(jaegerd.Root(t), config))
	bad := filepath.Join(t.TempDir(), "config.yaml")
	text := strings.Replace(good, field, "no_such_"+field, 1)
	if text == good {
		t.Fatalf("%s has no %s", config, field)
	}
	if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return bad
}

// lookbacks are the values that the UI takes in a link. With any other the
// search has no start and is answered with 400.
var lookbacks = []string{
	"5m", "15m", "30m", "1h", "2h", "3h", "6h", "12h", "24h",
	"2d", "3d", "5d", "7d", "2w", "3w", "4w",
}

// A menuItem is an entry of the menus in jaeger/ui.json.
type menuItem struct {
	Label string     `json:"label"`
	URL   string     `json:"url"`
	Items []menuItem `json:"items"`
}

// searches returns the menu's links to the search page, by label.
func searches(t *testing.T) map[string]url.Values {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(jaegerd.Root(t), "jaeger", "ui.json"))
	if err != nil {
		t.Fatal(err)
	}
	var ui struct {
		TopTagPrefixes []string `json:"topTagPrefixes"`
		Search         struct {
			MaxLookback struct {
				Value string `json:"value"`
			} `json:"maxLookback"`
		} `json:"search"`
		Menu []menuItem `json:"menu"`
	}
	if err := json.Unmarshal(data, &ui); err != nil {
		t.Fatalf("ui.json: %v", err)
	}
	if !slices.Contains(ui.TopTagPrefixes, "shutdown.") {
		t.Errorf("topTagPrefixes = %v, want shutdown. among them", ui.TopTagPrefixes)
	}
	if v := ui.Search.MaxLookback.Value; v != "4w" {
		t.Errorf("search.maxLookback = %q, want 4w", v)
	}
	links := map[string]url.Values{}
	for _, menu := range ui.Menu {
		for _, item := range append(menu.Items, menu) {
			u, err := url.Parse(item.URL)
			if err != nil {
				t.Errorf("menu %q: %v", item.Label, err)
				continue
			}
			if u.Path == "/search" {
				links[item.Label] = u.Query()
			}
		}
	}
	return links
}

func TestMenuLinks(t *testing.T) {
	links := searches(t)
	if len(links) != 3 {
		t.Fatalf("%d links to searches, want 3: %v", len(links), links)
	}
	for label, q := range links {
		if q.Get("service") != "greeter" {
			t.Errorf("%s: service %q, want the demo's", label, q.Get("service"))
		}
		if !slices.Contains(lookbacks, q.Get("lookback")) {
			t.Errorf("%s: lookback %q, want one that the UI knows", label, q.Get("lookback"))
		}
		var tags map[string]string
		if s := q.Get("tags"); s != "" {
			if err := json.Unmarshal([]byte(s), &tags); err != nil {
				t.Errorf("%s: tags %s: %v", label, s, err)
			}
		}
		for key := range q {
			if !slices.Contains([]string{"service", "operation", "tags", "lookback", "limit"}, key) {
				t.Errorf("%s: parameter %q is not one of the search page's", label, key)
			}
		}
	}
}
