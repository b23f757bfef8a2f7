// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "github.com/gracetrace/gracetrace"
	grpc   = "google.golang.org/grpc"
)

// layers lists the folders with an order: an arrow points to a lower rank, from
// a folder of the top rank to none of the same.
var layers = map[string]int{
	"exporter": 0, "tracer": 1, "interceptors": 2, "server": 3, "weave": 4,
	"cmd": 5, "examples": 5, "bench": 5, "e2e": 5,
}

const topRank = 5

var arrows = rule{
	name:   "arrows point one way",
	reason: "cmd, examples -> weave, server -> interceptors -> tracer -> exporter, through internal packages too: a layer can be read, tested and replaced without those above it",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		return reaching(imports(tb, tree), func(from, to string) bool {
			low, ok := layers[from]
			high, known := layers[layer(to)]
			return ok && known && from != layer(to) && (high > low || high == topRank)
		})
	},
}

var libraryWithoutDemo = rule{
	name:   "the library needs neither the demo service nor the test servers",
	reason: "what only the demo and the tests use must not end up in every user's binary",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		demo := []string{"proto", "internal/servertest", "internal/story", "tracer/tracertest"}
		return reaching(imports(tb, tree), func(from, to string) bool {
			rank, ok := layers[from]
			return ok && rank < topRank && slices.ContainsFunc(demo, func(dir string) bool {
				return to == dir || strings.HasPrefix(to, dir+"/")
			})
		})
	},
}

var modelWithoutGRPC = rule{
	name:   "tracer knows nothing of gRPC",
	reason: "the model is tested with plain values; sensors in interceptors translate for it",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		return reaching(imports(tb, tree), func(from, to string) bool {
			return from == "tracer" && (to == grpc || strings.HasPrefix(to, grpc+"/"))
		})
	},
}

// exporterGRPC is what an OTLP client needs of grpc.
var exporterGRPC = map[string]bool{
	grpc: true, grpc + "/backoff": true, grpc + "/codes": true, grpc + "/connectivity": true,
	grpc + "/credentials": true, grpc + "/credentials/insecure": true,
	grpc + "/encoding/gzip": true, grpc + "/metadata": true, grpc + "/resolver": true,
	grpc + "/stats": true, grpc + "/status": true,
}

var exporterWithoutServer = rule{
	name:   "exporter has no gRPC server code",
	reason: "the way out is a client; a server inside of it could hold up the shutdown it reports",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var out []string
		for name, file := range parsed(tb, tree, parser.SkipObjectResolution) {
			if !strings.HasPrefix(name, "exporter/") || isTest(name) {
				continue
			}
			for _, to := range imported(file) {
				if strings.HasPrefix(to, grpc+"/") && !exporterGRPC[to] {
					out = append(out, name+" imports "+to)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				use, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				pkg, ok := use.X.(*ast.Ident)
				if ok && pkg.Name == "grpc" && strings.Contains(use.Sel.Name, "Server") {
					out = append(out, name+" uses grpc."+use.Sel.Name)
				}
				return true
			})
		}
		slices.Sort(out)
		return out
	},
}

// layer returns the folder of layers that the package in dir belongs to.
func layer(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

// graph is for each folder what its package imports outside of its tests: a
// folder for a package of this repository, else an import path.
type graph map[string]map[string]bool

func imports(tb testing.TB, tree fs.FS) graph {
	tb.Helper()
	g := graph{}
	for name, file := range parsed(tb, tree, parser.ImportsOnly) {
		if isTest(name) {
			continue
		}
		dir := path.Dir(name)
		if g[dir] == nil {
			g[dir] = map[string]bool{}
		}
		for _, to := range imported(file) {
			g[dir][strings.TrimPrefix(to, module+"/")] = true
		}
	}
	return g
}

// reaching follows the imports of each package through those without a layer
// (internal ones, other modules) and returns the ways that bad objects to.
func reaching(g graph, bad func(layer, to string) bool) []string {
	var out []string
	for _, start := range slices.Sorted(maps.Keys(g)) {
		seen := map[string]bool{start: true}
		var follow func(at, way string)
		follow = func(at, way string) {
			for _, to := range slices.Sorted(maps.Keys(g[at])) {
				next := way + " -> " + to
				if seen[to] {
					continue
				}
				seen[to] = true
				if bad(layer(start), to) && !strings.HasPrefix(start, to) {
					out = append(out, next)
				} else if _, ranked := layers[layer(to)]; !ranked {
					follow(to, next)
				}
			}
		}
		follow(start, start)
	}
	return out
}

func parsed(tb testing.TB, tree fs.FS, mode parser.Mode) map[string]*ast.File {
	tb.Helper()
	out := map[string]*ast.File{}
	for name, content := range files(tb, tree, isGo) {
		file, err := parser.ParseFile(token.NewFileSet(), name, content, mode)
		if err != nil {
			tb.Fatal(fmt.Errorf("parse: %w", err))
		}
		out[name] = file
	}
	return out
}

func imported(file *ast.File) []string {
	var out []string
	for _, spec := range file.Imports {
		to, _ := strconv.Unquote(spec.Path.Value)
		out = append(out, to)
	}
	return out
}
