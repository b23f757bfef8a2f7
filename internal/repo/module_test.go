// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// floor is what the library requires at the least. Raising one of these is a
// decision, to be written down in docs/adr/001-modules-and-floor.md.
var floor = map[string]string{
	"go":                       "1.25.0",
	"go.opentelemetry.io/otel": "v1.35.0",
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc": "v1.35.0",
	"go.opentelemetry.io/otel/sdk":                                    "v1.35.0",
	"go.opentelemetry.io/otel/trace":                                  "v1.35.0",
	"go.opentelemetry.io/proto/otlp":                                  "v1.5.0",
	"golang.org/x/net":                                                "v0.35.0",
	"google.golang.org/grpc":                                          "v1.72.0",
	"google.golang.org/protobuf":                                      "v1.36.5",
}

// free are the direct requirements whose version no user is tied to: only the
// command and the tests import them.
var free = []string{
	"github.com/cockroachdb/datadriven",
	"github.com/google/go-cmp",
	"github.com/spf13/cobra",
	"go.uber.org/goleak",
}

var floorVersions = rule{
	name:   "the floor did not rise",
	reason: "the versions in go.mod are forced on every user; nested modules may require newer ones",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		all := required(read(tb, tree, "go.mod"), true)
		var out []string
		for _, name := range slices.Sorted(maps.Keys(floor)) {
			if all[name] != floor[name] {
				out = append(out, fmt.Sprintf("go.mod: %s %s, want %s", name, all[name], floor[name]))
			}
		}
		if line := regexp.MustCompile(`(?m)^(toolchain|replace|exclude|tool)\b.*`).
			FindString(read(tb, tree, "go.mod")); line != "" {
			out = append(out, "go.mod: "+line)
		}
		return out
	},
}

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
			all := required(found[name], true)
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

// pair returns the version of each module that grpc and otel consist of.
func pair(grpc, otel string) map[string]string {
	versions := map[string]string{"google.golang.org/grpc": grpc}
	for name := range floor {
		if strings.HasPrefix(name+"/", "go.opentelemetry.io/otel/") {
			versions[name] = otel
		}
	}
	return versions
}

var directRequires = rule{
	name:   "the library has few dependencies",
	reason: "each one is downloaded, audited and updated by every user; docs/adr/002-dependencies.md says why each of these is here",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name := range required(read(tb, tree, "go.mod"), false) {
			if floor[name] == "" && !slices.Contains(free, name) {
				out = append(out, "go.mod requires "+name)
			}
		}
		return sorted(out)
	},
}

// required returns the direct requirements in the text of a go.mod, the
// indirect ones too if asked, and its go version under "go".
func required(text string, indirect bool) map[string]string {
	out := map[string]string{}
	block := false
	for line := range strings.Lines(text) {
		word := strings.Fields(line)
		switch {
		case len(word) == 0 || !indirect && strings.Contains(line, "// indirect"):
		case word[0] == "require" && len(word) == 2:
			block = true
		case word[0] == ")":
			block = false
		case word[0] == "require":
			out[word[1]] = word[2]
		case block || word[0] == "go":
			out[word[0]] = word[1]
		}
	}
	return out
}
