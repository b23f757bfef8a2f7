// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// loggedBy are the functions of log.go that write each record.
var loggedBy = map[string]string{
	logPanic: "logPanicked", logOutlivedRuns: "logOutlived", logOutlivedOver: "logOutlivedEnded",
	logStarted: "logStarted", logProgress: "logProgress", logFinished: "logFinished", logLostSpans: "logLost",
	logSpooledSpans: "logSpooled",
	logUnseen:       "logNotSeen",
}

// logKeys returns the keys that a function of log.go writes: every literal in it
// is one. Those of the functions that it calls are among them.
func logKeys(functions map[string]*ast.FuncDecl, name string) map[string]bool {
	keys := make(map[string]bool)
	ast.Inspect(functions[name].Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if key, err := strconv.Unquote(n.Value); err == nil && key != "" {
				keys[key] = true
			}
		case *ast.CallExpr:
			called := ""
			switch f := n.Fun.(type) {
			case *ast.Ident:
				called = f.Name
			case *ast.SelectorExpr:
				called = f.Sel.Name
			}
			if called != name && called != "Log" && functions[called] != nil {
				maps.Copy(keys, logKeys(functions, called))
			}
		}
		return true
	})
	return keys
}

// TestLogIsDocumented: docs/log.md has every key of every record of a shutdown,
// and no other.
func TestLogIsDocumented(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "log.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	functions := make(map[string]*ast.FuncDecl)
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			functions[f.Name.Name] = f
		}
	}
	page, err := os.ReadFile("../docs/log.md")
	if err != nil {
		t.Fatal(err)
	}
	want, got := make(map[string][]string), make(map[string][]string)
	for message, f := range loggedBy {
		want[message] = slices.Sorted(maps.Keys(logKeys(functions, f)))
	}
	key := regexp.MustCompile("(?m)^\\| `([a-z_.]+)`( \\?)? \\|")
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		heading, _, _ := strings.Cut(section, "\n")
		message := strings.Trim(heading, "`")
		if loggedBy[message] == "" {
			continue
		}
		for _, m := range key.FindAllStringSubmatch(section, -1) {
			got[message] = append(got[message], m[1])
		}
		slices.Sort(got[message])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/log.md (-logged +documented):\n%s", diff)
	}
}
