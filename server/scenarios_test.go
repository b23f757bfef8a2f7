// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const scenarios = "../docs/scenarios.md"

// scenario is a row of docs/scenarios.md.
type scenario struct{ id, name, path, verdict string }

var (
	scenarioRow = regexp.MustCompile("(?m)^\\| ([UX]\\d\\d|–) \\| .* \\| \\[(\\w+)\\]\\(\\.\\./([\\w/.]+)\\) \\| (–|`[^`]+`) \\|$")
	// reported is the verdict of a text report, and logged that of a log record.
	reported = regexp.MustCompile(`(?m)^verdict: (.*(?:\n {9}\S.*)*)`)
	logged   = regexp.MustCompile(` verdict="([^"]*)"`)
	// named is a test of a scenario.
	named = regexp.MustCompile(`(?m)^func (Test[UX]\d\d\w+)\(`)
)

// scenarioRows reads the page; each line of its table must be one.
func scenarioRows(t *testing.T) (rows []scenario) {
	t.Helper()
	page := readFile(t, scenarios)
	for _, m := range scenarioRow.FindAllStringSubmatch(page, -1) {
		rows = append(rows, scenario{m[1], m[2], filepath.Join("..", m[3]), strings.Trim(m[4], "`")})
	}
	if lines := strings.Count(page, "\n|") - 2; len(rows) != lines {
		t.Fatalf("%s: %d of %d rows are readable", scenarios, len(rows), lines)
	}
	return rows
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// lastVerdict is what a story says at its end; – if it has no verdict.
func lastVerdict(story string) string {
	for _, where := range []*regexp.Regexp{reported, logged} {
		if all := where.FindAllStringSubmatch(story, -1); all != nil {
			return strings.Join(strings.Fields(all[len(all)-1][1]), " ")
		}
	}
	return "–"
}

// rewriting is the flag of package datadriven.
func rewriting() bool { return flag.Lookup("rewrite").Value.String() == "true" }

// requote puts a story's verdict into its row.
func requote(t *testing.T, name, verdict string) {
	t.Helper()
	lines := strings.Split(readFile(t, scenarios), "\n")
	for i, line := range lines {
		if m := scenarioRow.FindStringSubmatch(line); m != nil && m[2] == name {
			if verdict != "–" {
				verdict = "`" + verdict + "`"
			}
			lines[i] = strings.TrimSuffix(line, m[4]+" |") + verdict + " |"
		}
	}
	if err := os.WriteFile(scenarios, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestScenariosPage: the page quotes what the stories print, and names tests that
// exist.
func TestScenariosPage(t *testing.T) {
	for _, row := range scenarioRows(t) {
		content := readFile(t, row.path)
		if filepath.Ext(row.path) == ".txt" {
			if got := lastVerdict(content); got != row.verdict && rewriting() {
				requote(t, row.name, got)
			} else if got != row.verdict {
				t.Errorf("%s: the page quotes\n%s\nthe story's verdict is\n%s", row.name, row.verdict, got)
			}
			if id, _, _ := strings.Cut(row.name, "_"); row.id != "–" && strings.ToUpper(id) != row.id {
				t.Errorf("%s is a story of %s, not of %s", row.name, strings.ToUpper(id), row.id)
			}
			continue
		}
		if !strings.Contains(content, "func "+row.name+"(") || !strings.HasPrefix(row.name, "Test"+row.id) {
			t.Errorf("%s: %s is no test of %s", row.path, row.name, row.id)
		}
		if quoted := strings.Trim(row.verdict, "… "); !strings.Contains(content, quoted) {
			t.Errorf("%s: %s does not ask for %q", row.path, row.name, quoted)
		}
	}
}

// TestScenariosAreOnThePage: every story, and every test that is named after a
// scenario, is in the table.
func TestScenariosAreOnThePage(t *testing.T) {
	var names []string
	for _, row := range scenarioRows(t) {
		names = append(names, row.name)
	}
	for _, pattern := range []string{"testdata/*.txt", "*_test.go", "../cmd/gracetrace/*_test.go", "../tracer/*_test.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(paths), err)
		}
		for _, path := range paths {
			found := []string{strings.TrimSuffix(filepath.Base(path), ".txt")}
			if filepath.Ext(path) == ".go" {
				found = nil
				for _, m := range named.FindAllStringSubmatch(readFile(t, path), -1) {
					found = append(found, m[1])
				}
			}
			for _, name := range found {
				if !slices.Contains(names, name) {
					t.Errorf("%s: %s is not in %s", path, name, scenarios)
				}
			}
		}
	}
}
