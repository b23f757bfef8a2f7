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

// ui is what we look at in jaeger/ui.json.
type ui struct {
	TopTagPrefixes []string `json:"topTagPrefixes"`
	Search         struct {
		MaxLookback struct {
			Value string `json:"value"`
		} `json:"maxLookback"`
	} `json:"search"`
	LinkPatterns []linkPattern `json:"linkPatterns"`
	Menu         []menuItem    `json:"menu"`
}

type menuItem struct {
	Label string     `json:"label"`
	URL   string     `json:"url"`
	Items []menuItem `json:"items"`
}

// A linkPattern makes a link of each tag with the key, if the span, or the process
// for one of its tags, has all tags that stand in #{…}.
type linkPattern struct {
	Type string `json:"type"`
	Key  string `json:"key"`
	URL  string `json:"url"`
	Text string `json:"text"`
}

func readUI(t *testing.T) *ui {
	t.Helper()
	var u ui
	text := readText(t, filepath.Join(jaegerd.Root(t), "jaeger", "ui.json"))
	if err := json.Unmarshal([]byte(text), &u); err != nil {
		t.Fatalf("ui.json: %v", err)
	}
	return &u
}

// searches returns the menu's links to the search page, by label.
func (u *ui) searches(t *testing.T) map[string]url.Values {
	t.Helper()
	links := map[string]url.Values{}
	for label, link := range u.links(t) {
		if link.Path == "/search" {
			links[label] = link.Query()
		}
	}
	return links
}

// links are all of the menu's, by label.
func (u *ui) links(t *testing.T) map[string]*url.URL {
	t.Helper()
	links := map[string]*url.URL{}
	for _, menu := range u.Menu {
		for _, item := range menu.Items {
			link, err := url.Parse(item.URL)
			if err != nil {
				t.Errorf("menu %q: %v", item.Label, err)
				continue
			}
			links[item.Label] = link
		}
	}
	return links
}

func TestMenuLinks(t *testing.T) {
	u := readUI(t)
	if !slices.Contains(u.TopTagPrefixes, "shutdown.") {
		t.Errorf("topTagPrefixes = %v, want shutdown. among them", u.TopTagPrefixes)
	}
	// The line below a span that is opened has room for one value.
	if first := u.TopTagPrefixes[0]; first != "shutdown.verdict" {
		t.Errorf("%s comes before shutdown.verdict", first)
	}
	if v := u.Search.MaxLookback.Value; v != "4w" {
		t.Errorf("search.maxLookback = %q, want 4w", v)
	}
	known := []string{"service", "operation", "tags", "minDuration", "lookback", "limit"}
	for label, q := range u.searches(t) {
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
			if !slices.Contains(known, key) {
				t.Errorf("%s: parameter %q is not one of the search page's", label, key)
			}
		}
	}
	for label, link := range u.links(t) {
		wantInDocs(t, label, link.String())
	}
}
