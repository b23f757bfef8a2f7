// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	spdxLine = "// SPDX-License-Identifier: Apache-2.0"
	maxLines = 500
)

var spdx = rule{
	name:   "every Go and protobuf file names its licence",
	reason: "a file copied elsewhere must still say under what terms: first line " + spdxLine,
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, content := range files(tb, tree, func(name string) bool {
			return isGo(name) || path.Ext(name) == ".proto"
		}) {
			if !strings.HasPrefix(content, spdxLine+"\n") {
				out = append(out, name)
			}
		}
		return sorted(out)
	},
}

var fileLength = rule{
	name:   "no file is long",
	reason: "one concern a file; past 500 lines there are two",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, content := range goFiles(tb, tree) {
			if n := strings.Count(content, "\n"); n > maxLines {
				out = append(out, fmt.Sprintf("%s has %d lines", name, n))
			}
		}
		return sorted(out)
	},
}

var noSleepInTests = rule{
	name:   "no test sleeps for real",
	reason: "a sleep is a guess, too long or too short: wait for the event, or import testing/synctest and sleep in a bubble",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, file := range parsed(tb, tree, parser.SkipObjectResolution) {
			if !isTest(name) || slices.Contains(imported(file), "testing/synctest") {
				continue
			}
			ast.Inspect(file, func(n ast.Node) bool {
				use, ok := n.(*ast.SelectorExpr)
				if !ok || use.Sel.Name != "Sleep" {
					return true
				}
				if pkg, ok := use.X.(*ast.Ident); ok && pkg.Name == "time" {
					out = append(out, name)
				}
				return true
			})
		}
		return sorted(out)
	},
}

var looseEnd = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

var noLooseEnds = rule{
	name:   "no comment leaves work for later",
	reason: "a thing to do is an issue, where somebody looks for it",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, file := range parsed(tb, tree, parser.ParseComments|parser.SkipObjectResolution) {
			for _, group := range file.Comments {
				for _, comment := range group.List {
					if found := looseEnd.FindString(comment.Text); found != "" {
						out = append(out, name+": "+found)
					}
				}
			}
		}
		return sorted(out)
	},
}

// otelcFiles are not compiled here: otelc adds them to grpc's own packages, where
// they link to internal/woven as the templates of orchestrion.yml do.
const otelcFiles = "weave/otelc_"

var noLinkname = rule{
	name:   "nothing is linked past the compiler",
	reason: "grpc-go changes its unexported names in any release; what it does not export is watched from outside",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, content := range goFiles(tb, tree) {
			ignored := strings.HasPrefix(name, otelcFiles) &&
				strings.Contains(content, "\n//go:build ignore\n")
			if strings.Contains(content, "\n//go:"+"linkname ") && !ignored {
				out = append(out, name)
			}
		}
		return sorted(out)
	},
}

// load of the command talks to a server whose certificate is made at its start.
const blindTLS = "cmd/gracetrace/load.go"

var noBlindTLS = rule{
	name:   "whoever is asked for a certificate shows one that is checked",
	reason: "spans and tokens go to whoever answers: trust a file by OTEL_EXPORTER_OTLP_CERTIFICATE instead",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, content := range goFiles(tb, tree) {
			if !isTest(name) && name != blindTLS && strings.Contains(content, "InsecureSkipVerify") {
				out = append(out, name)
			}
		}
		return sorted(out)
	},
}

var packageComment = rule{
	name:   "every package says what it is for",
	reason: "the package comment is the first page a reader sees",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		said := map[string]bool{}
		for name, file := range parsed(tb, tree, parser.ParseComments|parser.PackageClauseOnly) {
			if !isTest(name) {
				said[path.Dir(name)] = said[path.Dir(name)] || file.Doc != nil
			}
		}
		maps.DeleteFunc(said, func(_ string, ok bool) bool { return ok })
		return slices.Sorted(maps.Keys(said))
	},
}

// machinePath matches an absolute path in somebody's home or work folder. The
// letters in brackets keep this line from matching itself.
var machinePath = regexp.MustCompile(`(?m)(^|[^\w.$})/-])/([r]oot|[h]ome|[U]sers|[w]ork)/[\w.-]+`)

var noMachinePaths = rule{
	name:   "no file knows the machine it was written on",
	reason: "a path of one machine is broken on every other, and says more than a reader needs",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, content := range files(tb, tree, func(string) bool { return true }) {
			if found := machinePath.FindString(content); found != "" && utf8.ValidString(content) {
				out = append(out, fmt.Sprintf("%s: %q", name, strings.TrimSpace(found)))
			}
		}
		return sorted(out)
	},
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
