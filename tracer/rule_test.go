// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answers is who is blamed in each phase, one a line, and for which the verdict
// is: what the culprit and its twin must agree on.
func answers(tl *timeline) (lines []string) {
	views := tl.views()
	for i := range views {
		v := &views[i]
		var a *accused
		if c := v.culprit; c != nil {
			a = &accused{c.Kind, c.key.id, c.State}
		}
		lines = append(lines, answer(v.phase, a))
	}
	return append(lines, "verdict: "+string(tl.longest(views).phase))
}

func twinAnswers(tl *timeline) (lines []string) {
	phases := tl.phases()
	for _, p := range phases {
		lines = append(lines, answer(p.phase, whoIsBlamed(tl, p)))
	}
	return append(lines, "verdict: "+string(longestOf(tl, phases)))
}

func answer(p Phase, a *accused) string {
	if a == nil {
		return fmt.Sprintf("%s: nobody", p)
	}
	return fmt.Sprintf("%s: %s %d %q", p, a.kind, a.id, a.state)
}

// TestCulpritAgreesWithItsTwin on random timelines.
func TestCulpritAgreesWithItsTwin(t *testing.T) {
	for seed := range uint64(50_000) {
		tl := suspicious(seed)
		if diff := cmp.Diff(twinAnswers(tl), answers(tl)); diff != "" {
			t.Fatalf("seed %d: (-twin +culprit):\n%s\n%s\n%+v", seed, diff, prose(tl.phases()), tl)
		}
	}
}

// TestTwinNoticesEachRule: a rule that is turned round changes an answer. Else
// the random timelines would not try it, or nobody would miss it.
func TestTwinNoticesEachRule(t *testing.T) {
	const timelines = 2_000
	caught := map[string]int{}
	for seed := range uint64(timelines) {
		tl := suspicious(seed)
		want := twinAnswers(tl)
		for _, name := range rulesInCode(t) {
			tl.flipped = rule(name)
			if !slices.Equal(answers(tl), want) {
				caught[name]++
			}
		}
	}
	for _, name := range rulesInCode(t) {
		t.Logf("%-24s changes %4d of %d timelines", name, caught[name], timelines)
		if caught[name] < 10 {
			t.Errorf("the rule %q, turned round, is noticed in %d of %d timelines, want 10 or more",
				name, caught[name], timelines)
		}
	}
}

// TestRulesAreOnTheirPage: each rule of the code is a row of docs/verdict.md,
// and each row in bold is a rule of the code.
func TestRulesAreOnTheirPage(t *testing.T) {
	page, err := os.ReadFile("../docs/verdict.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile(`(?m)^\| \*\*(.+?)\*\* \|`).FindAllSubmatch(page, -1) {
		rows = append(rows, string(m[1]))
	}
	slices.Sort(rows)
	if diff := cmp.Diff(rulesInCode(t), rows); diff != "" {
		t.Errorf("(-tracer/rule.go +docs/verdict.md, sorted):\n%s", diff)
	}
}

// rulesInCode are the constants of type rule in rule.go, sorted.
func rulesInCode(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "rule.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if typ, ok := spec.Type.(*ast.Ident); !ok || typ.Name != "rule" {
			return true
		}
		for _, v := range spec.Values {
			name, err := strconv.Unquote(v.(*ast.BasicLit).Value)
			if err != nil || rules[name] {
				t.Fatalf("the rule %s is not a word of its own: %v", name, err)
			}
			rules[name] = true
		}
		return false
	})
	return slices.Sorted(maps.Keys(rules))
}
