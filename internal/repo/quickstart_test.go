// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

const (
	quickstartFile = "examples/quickstart/main.go"
	kubernetesFile = "examples/kubernetes/main.go"
	xdsFile        = "e2e/xds/serve.go"
)

var (
	quickstart     = shows("README.md", "quickstart", quickstartFile)
	kubernetesCode = shows("docs/kubernetes.md", "kubernetes", kubernetesFile)
	xdsCode        = shows("docs/grpc-go.md", "xds", xdsFile)
)

// shows says that a page has a file's code between two <!-- mark --> lines.
func shows(page, mark, file string) rule {
	block := regexp.MustCompile("(?s)<!-- " + mark + " -->\n+```go\n(.*?)```\n+<!-- /?" + mark + " -->")
	return rule{
		name: page + " shows " + file,
		reason: "code that a user copies is compiled and run: between <!-- " + mark +
			" --> marks stands the file from its package clause on",
		check: func(tb testing.TB, tree fs.FS) []string {
			tb.Helper()
			found := block.FindStringSubmatch(read(tb, tree, page))
			if found == nil {
				return []string{page + ": no ```go block between <!-- " + mark + " --> marks"}
			}
			_, code, ok := strings.Cut("\n"+read(tb, tree, file), "\npackage ")
			if !ok {
				return []string{file + ": no package clause"}
			}
			want, got := strings.Split("package "+code, "\n"), strings.Split(found[1], "\n")
			for i := range max(len(want), len(got)) {
				if i >= len(want) || i >= len(got) || want[i] != got[i] {
					return []string{fmt.Sprintf("%s differs from %s in line %d", page, file, i+1)}
				}
			}
			return nil
		},
	}
}
