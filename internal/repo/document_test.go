// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

var changelog = rule{
	name:   "the changelog has a place for the next change",
	reason: "users read CHANGELOG.md before they update; what changes is written under Unreleased with the change",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		if !strings.Contains(read(tb, tree, "CHANGELOG.md"), "\n## [Unreleased]\n") {
			return []string{"CHANGELOG.md: no heading ## [Unreleased]"}
		}
		return nil
	},
}

// pluginVersion is how each generator signs its output.
var pluginVersion = regexp.MustCompile(`(?m)^//[ \t-]+(protoc-gen-[a-z-]+) +(v[\d.]+)$`)

// pinned are the modules of the generators in tools/proto/go.mod.
var pinned = map[string]string{
	"protoc-gen-go":      "google.golang.org/protobuf",
	"protoc-gen-go-grpc": "google.golang.org/grpc/cmd/protoc-gen-go-grpc",
}

var generatedByPinned = rule{
	name:   "generated code is made by the pinned generators",
	reason: "make checkgenerate compares the content; a file of another generator, or written by hand, would be overwritten",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		tools := read(tb, tree, "tools/proto/go.mod")
		var out []string
		found := files(tb, tree, func(name string) bool { return strings.HasSuffix(name, ".pb.go") })
		if len(found) == 0 {
			return []string{"no *.pb.go file"}
		}
		for name, content := range found {
			made := pluginVersion.FindStringSubmatch(content)
			if made == nil || !generated.MatchString(content) {
				out = append(out, name+": not signed by its generator")
			} else if pin := pinned[made[1]] + " " + made[2]; !strings.Contains(tools, pin+" ") {
				out = append(out, fmt.Sprintf("%s: tools/proto/go.mod does not require %s", name, pin))
			}
		}
		return sorted(out)
	},
}
