// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// documented returns the keys of docs/report.md by type, each with a ? where it
// may be left out.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../docs/report.md")
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile("(?m)^\\| `([a-z_]+)`( \\?)? \\| (string|number|bool|object|array|time) \\|")
	all := make(map[string][]string)
	for _, section := range strings.Split(string(b), "\n## ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		for _, m := range key.FindAllStringSubmatch(section, -1) {
			all[name] = append(all[name], m[1]+m[2]+" "+m[3])
		}
	}
	return all
}

// written returns the keys of a struct's tags, and of those in it.
func written(typ reflect.Type, all map[string][]string) {
	if all[typ.Name()] != nil {
		return
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "omitempty" {
			key += " ?"
		}
		all[typ.Name()] = append(all[typ.Name()], key+" "+jsonType(f.Type))
	}
	for i := range typ.NumField() {
		inner := typ.Field(i).Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() {
			written(inner, all)
		}
	}
}

func jsonType(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Pointer:
		return jsonType(typ.Elem())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int, reflect.Int64:
		return "number"
	case reflect.Slice:
		return "array"
	}
	if typ.Name() == "Time" {
		return "time"
	}
	return "object"
}

// TestReportIsDocumented: docs/report.md has every key that is written, in its
// order, and no other.
func TestReportIsDocumented(t *testing.T) {
	want := make(map[string][]string)
	written(reflect.TypeFor[Report](), want)
	if len(want) != 11 {
		t.Errorf("%d types, want 11: the test has not found them", len(want))
	}
	if diff := cmp.Diff(want, documented(t)); diff != "" {
		t.Errorf("docs/report.md (-written +documented):\n%s", diff)
	}
}
