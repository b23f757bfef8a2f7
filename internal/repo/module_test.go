// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"testing"
)

// floorFile has what the library requires at the least, all of it, in the words
// of go.mod.
const floorFile = "tools/floor.txt"

var floorHolds = rule{
	name: "the floor did not rise",
	reason: "what go.mod requires is forced on every user, be it indirect or for a test; a go get for " +
		"one module may raise others. On purpose: say why in docs/adr/001-modules-and-floor.md, of a new " +
		"module in 002-dependencies.md, and change " + floorFile + " likewise",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		text := read(tb, tree, "go.mod")
		is, floor := required(text), required("require (\n"+read(tb, tree, floorFile)+")\n")
		var out []string
		for name, version := range is {
			switch want := floor[name]; {
			case want == "":
				out = append(out, fmt.Sprintf("go.mod: %s %s, not in %s", name, version, floorFile))
			case want != version:
				out = append(out, fmt.Sprintf("go.mod: %s %s, the floor is %s", name, version, want))
			}
		}
		for name, version := range floor {
			if is[name] == "" {
				out = append(out, fmt.Sprintf("%s: %s %s, not in go.mod", floorFile, name, version))
			}
		}
		for _, line := range notForUsers.FindAllString(text, -1) {
			out = append(out, "go.mod: "+line)
		}
		return sorted(out)
	},
}

// notForUsers are lines of a go.mod that either bind users, as a toolchain does,
// or hold only here: what is tested then is not what they get.
var notForUsers = regexp.MustCompile(`(?m)^(toolchain|godebug|replace|exclude|tool|ignore)\b.*`)

// matrix is for each version of grpc that make matrix tests the version of otel
// that goes with it: the newest patch of each.
var matrix = map[string]string{
	"v1.80.0": "v1.43.0",
	"v1.82.1": "v1.44.0",
	"v1.84.0": "v1.47.0",
}

var matrixVersions = rule{
	name:   "the matrix tests the versions it names",
	reason: "a go get for one requirement may raise others, and a version in between would then be tested no more",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		found := files(tb, tree, func(name string) bool {
			return path.Dir(name) == "tools/matrix" && path.Ext(name) == ".mod"
		})
		var out []string
		for grpc, otel := range matrix {
			name := matrixFile(grpc)
			all := required(found[name])
			delete(found, name)
			for module, want := range pair(grpc, otel) {
				if all[module] != want {
					out = append(out, fmt.Sprintf("%s: %s %s, want %s", name, module, all[module], want))
				}
			}
		}
		for name := range found {
			out = append(out, name+": not in the matrix")
		}
		return sorted(out)
	},
}

// matrixFile is where a version of grpc has its copy of go.mod.
func matrixFile(grpc string) string {
	minor := grpc[:strings.LastIndexByte(grpc, '.')]
	return "tools/matrix/grpc-" + strings.TrimPrefix(minor, "v") + ".mod"
}

// pair returns the version of each module that grpc and otel consist of, as far
// as the library requires it itself.
func pair(grpc, otel string) map[string]string {
	const root = "go.opentelemetry.io/otel"
	return map[string]string{
		"google.golang.org/grpc": grpc, root: otel, root + "/sdk": otel, root + "/trace": otel,
		root + "/exporters/otlp/otlptrace/otlptracegrpc": otel,
	}
}

// required returns the requirements in the text of a go.mod, those that are
// indirect marked as there, and its go version under "go".
func required(text string) map[string]string {
	out := map[string]string{}
	block := false
	for line := range strings.Lines(text) {
		word := strings.Fields(line)
		switch {
		case len(word) < 2:
			block = block && len(word) == 0
		case word[0] == "require" && word[1] == "(":
			block = true
		case word[0] == "require":
			out[word[1]] = strings.Join(word[2:], " ")
		case block && word[0] != "//" || word[0] == "go":
			out[word[0]] = strings.Join(word[1:], " ")
		}
	}
	return out
}
