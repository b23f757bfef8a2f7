// SPDX-License-Identifier: Apache-2.0

package repo

import (
	"fmt"
	"go/ast"
	"go/parser"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

// maxSymbols bounds the exported package-level names of the public packages.
const maxSymbols = 80

var publicSurface = rule{
	name:   "the public surface is small",
	reason: "tracer, interceptors, server and exporter together stay under 80 exported names: each is a promise to keep and a line to read",
	check: func(tb testing.TB, tree fs.FS) []string {
		tb.Helper()
		var names []string
		public := []string{"tracer", "interceptors", "server", "exporter"}
		for name, file := range parsed(tb, tree, parser.SkipObjectResolution) {
			if slices.Contains(public, path.Dir(name)) && !isTest(name) {
				names = append(names, exported(file)...)
			}
		}
		tb.Logf("%d exported names", len(names))
		if len(names) < maxSymbols {
			return nil
		}
		slices.Sort(names)
		return []string{fmt.Sprintf("%d exported names: %s", len(names), strings.Join(names, " "))}
	},
}

// exported returns the exported names declared at the top level of file.
func exported(file *ast.File) []string {
	var out []string
	add := func(id *ast.Ident) {
		if id.IsExported() {
			out = append(out, file.Name.Name+"."+id.Name)
		}
	}
	for _, decl := range file.Decls {
		switch decl := decl.(type) {
		case *ast.FuncDecl:
			if decl.Recv == nil {
				add(decl.Name)
			}
		case *ast.GenDecl:
			for _, spec := range decl.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name)
				case *ast.ValueSpec:
					for _, id := range spec.Names {
						add(id)
					}
				}
			}
		}
	}
	return out
}
