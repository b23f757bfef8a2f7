// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

const quickstartFile = "examples/quickstart/main.go"

// quickstartBlock matches the code between two <!-- quickstart --> marks.
var quickstartBlock = regexp.MustCompile(
	"(?s)<!-- quickstart -->\n+```go\n(.*?)```\n+<!-- /?quickstart -->")

var quickstart = rule{
	name:   "README's code is the quickstart example",
	reason: "the first code a user copies is compiled and run: between <!-- quickstart --> marks stands " + quickstartFile + " from its package clause on",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		block := quickstartBlock.FindStringSubmatch(read(tb, tree, "README.md"))
		if block == nil {
			return []string{"README.md: no ```go block between <!-- quickstart --> marks"}
		}
		_, code, found := strings.Cut("\n"+read(tb, tree, quickstartFile), "\npackage ")
		if !found {
			return []string{quickstartFile + ": no package clause"}
		}
		want, got := strings.Split("package "+code, "\n"), strings.Split(block[1], "\n")
		for i := range max(len(want), len(got)) {
			if i >= len(want) || i >= len(got) || want[i] != got[i] {
				return []string{fmt.Sprintf("README.md differs from %s in line %d", quickstartFile, i+1)}
			}
		}
		return nil
	},
}
