// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// rule is something that holds for the whole tree.
type rule struct {
	name   string
	reason string
	// check returns a line for each place that breaks the rule.
	check func(testing.TB, fs.FS) []string
}

// rules is every rule, in the order of the files of this package.
var rules = []rule{
	arrows, libraryWithoutDemo, modelWithoutGRPC, exporterWithoutServer,
	spdx, fileLength, noSleepInTests, noLooseEnds, noLinkname, noBlindTLS, packageComment, noMachinePaths,
	publicSurface, changelog, generatedByPinned, floorHolds, matrixVersions,
	quickstart, kubernetesCode, xdsCode,
}

func TestRules(t *testing.T) {
	tree := os.DirFS(root(t))
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, broken := range r.check(t, tree) {
				t.Errorf("%s\n\t%s", broken, r.reason)
			}
		})
	}
}

// broken is for each rule a tree that breaks it and what the rule then says.
type broken struct {
	rule rule
	tree map[string]string
	want []string
}

func TestRulesCatch(t *testing.T) {
	caught := map[string]bool{}
	for _, b := range violations {
		t.Run(b.rule.name, func(t *testing.T) {
			caught[b.rule.name] = true
			tree := fstest.MapFS{}
			for name, content := range b.tree {
				tree[name] = &fstest.MapFile{Data: []byte(content)}
			}
			if diff := cmp.Diff(b.want, b.rule.check(t, tree)); diff != "" {
				t.Errorf("the rule on a tree that breaks it (-want +got):\n%s", diff)
			}
		})
	}
	for _, r := range rules {
		if !caught[r.name] {
			t.Errorf("no violation of %q: a rule that cannot fail is none", r.name)
		}
	}
}

// root returns the folder of the root module's go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(filepath.Dir(dir))
}

// notOurs hold nothing of this repository: git's own, which is a file in a work
// tree of its own, and what the Makefile builds.
var notOurs = map[string]bool{".git": true, "bin": true, "dist": true}

// files returns the path and content of every file whose name match accepts.
func files(tb testing.TB, tree fs.FS, match func(string) bool) map[string]string {
	tb.Helper()
	found := map[string]string{}
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && notOurs[name] {
			return fs.SkipDir
		}
		if notOurs[name] || !entry.Type().IsRegular() || !match(name) {
			return nil
		}
		content, err := fs.ReadFile(tree, name)
		found[name] = string(content)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return found
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// goFiles returns every Go file that is written by hand.
func goFiles(tb testing.TB, tree fs.FS) map[string]string {
	tb.Helper()
	found := files(tb, tree, isGo)
	for name, content := range found {
		if generated.MatchString(content) {
			delete(found, name)
		}
	}
	return found
}

func isGo(name string) bool {
	return path.Ext(name) == ".go" && !strings.Contains(name, "testdata/")
}

func isTest(name string) bool { return strings.HasSuffix(name, "_test.go") }

// read returns one file's content, or "" when there is none.
func read(tb testing.TB, tree fs.FS, name string) string {
	tb.Helper()
	content, err := fs.ReadFile(tree, name)
	if err != nil {
		tb.Log(err)
	}
	return string(content)
}
