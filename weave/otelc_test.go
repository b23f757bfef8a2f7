// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// function is one of grpc's that a rule instruments.
type function struct{ pkg, recv, name string }

// inOrchestrion are the functions that orchestrion.yml names. Its waits are calls.
func inOrchestrion(t *testing.T) []function {
	t.Helper()
	re := regexp.MustCompile(`import-path: (\S+)\s+- function-body:\s+function:\s+` +
		`- receiver: (\S+)\s+- name: (\S+)`)
	fs := []function{{"google.golang.org/grpc", "*Server", "stop"}} // the waits'
	for _, m := range re.FindAllStringSubmatch(read(t, "orchestrion.yml"), -1) {
		f := function{m[1], "", m[3]}
		if _, typ, ok := strings.Cut(strings.Trim(m[2], "'"), m[1]+"."); ok {
			f.recv = "*" + typ
		}
		fs = append(fs, f)
	}
	return unique(fs)
}

// inOtelc are those that otelc.yaml names.
func inOtelc(t *testing.T) []function {
	t.Helper()
	re := regexp.MustCompile(`target: (\S+)\s+where:\s+func: (\S+)(?:\s+recv: "(\S+)")?`)
	var fs []function
	for _, m := range re.FindAllStringSubmatch(read(t, "otelc.yaml"), -1) {
		fs = append(fs, function{m[1], m[3], m[2]})
	}
	return unique(fs)
}

func unique(fs []function) []function {
	slices.SortFunc(fs, func(a, b function) int {
		return strings.Compare(a.pkg+a.recv+"."+a.name, b.pkg+b.recv+"."+b.name)
	})
	return slices.Compact(fs)
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOtelcHasThePoints compares the two weavers' files: the functions, what is
// called at each, and what is marked.
func TestOtelcHasThePoints(t *testing.T) {
	if diff := cmp.Diff(inOrchestrion(t), inOtelc(t), cmp.AllowUnexported(function{})); diff != "" {
		t.Errorf("functions (-orchestrion.yml +otelc.yaml):\n%s", diff)
	}
	rules := read(t, "otelc.yaml")
	files := read(t, "otelc_grpc.go") + read(t, "otelc_transport.go") + read(t, "otelc_xds.go")
	for _, p := range append([]string{pointXDS, pointXDSServe}, expected...) {
		if !strings.Contains(files, `"`+p+`"`) {
			t.Errorf("%s is not marked", p)
		}
	}
	call := regexp.MustCompile(`__gracetrace_(?:begin|end|wait)\("([^"{]+)"`)
	names := func(text string) (all []string) {
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		return slices.Compact(sorted(all))
	}
	want := append(names(read(t, "orchestrion.yml")), pointServeWait, pointConnWait, pointHandlerWait)
	if diff := cmp.Diff(sorted(want), names(rules)); diff != "" {
		t.Errorf("points (-orchestrion.yml +otelc.yaml):\n%s", diff)
	}
	links := regexp.MustCompile(`go:linkname (\S+) (\S+)\n\s*func (.*)`)
	linked := func(text string) (all []string) {
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			if !strings.HasSuffix(m[2], ".wait") { // a wait is a begin and an end for otelc
				all = append(all, m[2]+" "+m[3])
			}
		}
		return slices.Compact(sorted(all))
	}
	if diff := cmp.Diff(linked(read(t, "orchestrion.yml")), linked(files)); diff != "" {
		t.Errorf("links (-orchestrion.yml +otelc_*.go):\n%s", diff)
	}
}

// TestFunctionsAreInGRPC looks for them in the source of the grpc that this is
// tested with, the newest and the oldest: receivers' names, too, on which otelc's
// rules rely, and the statements that wait.
func TestFunctionsAreInGRPC(t *testing.T) {
	root := grpcSource(t)
	receivers := map[string]string{"*Server": "s", "*http2Server": "t", "*GRPCServer": "s"}
	for _, f := range inOtelc(t) {
		dir := filepath.Join(root, strings.TrimPrefix(f.pkg, "google.golang.org/grpc"))
		recv, body, ok := find(t, dir, f)
		if !ok {
			t.Errorf("%+v is not in grpc's source", f)
			continue
		}
		if recv != receivers[f.recv] {
			t.Errorf("the receiver of %+v is called %s", f, recv)
		}
		for _, wait := range []string{"s.serveWG.Wait()", "s.cv.Wait()", "s.handlersWG.Wait()"} {
			if f.name == pointStop && strings.Count(body, "\t"+wait+"\n") != 1 {
				t.Errorf("stop has not one statement %s", wait)
			}
		}
	}
}

// grpcSource is the folder of the grpc that this is tested with.
func grpcSource(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/grpc").Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		t.Fatal("the source of grpc is not here: go mod download google.golang.org/grpc")
	}
	return dir
}

// find returns what a function's receiver is called, and its text.
func find(t *testing.T, dir string, f function) (recv, body string, ok bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			fn, isFunc := d.(*ast.FuncDecl)
			if !isFunc || fn.Name.Name != f.name || (fn.Recv == nil) != (f.recv == "") {
				continue
			}
			if fn.Recv != nil {
				star, pointer := fn.Recv.List[0].Type.(*ast.StarExpr)
				if !pointer || "*"+star.X.(*ast.Ident).Name != f.recv {
					continue
				}
				recv = fn.Recv.List[0].Names[0].Name
			}
			text := read(t, file)
			return recv, text[set.Position(fn.Pos()).Offset:set.Position(fn.End()).Offset], true
		}
	}
	return "", "", false
}
