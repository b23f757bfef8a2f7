// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const page = "../../../../docs/culprits.md"

// keys returns those of a struct's tags, each with a ? where it may be left out, and
// of the structs in it. Embedded ones are documented by themselves.
func keys(typ reflect.Type, all map[string][]string) {
	if all[typ.Name()] != nil || typ.PkgPath() != reflect.TypeFor[Result]().PkgPath() {
		return
	}
	all[typ.Name()] = []string{}
	for i := range typ.NumField() {
		f := typ.Field(i)
		inner := f.Type
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && f.IsExported() && inner != reflect.TypeFor[Who]() {
			keys(inner, all)
		}
		if inner == reflect.TypeFor[Who]() {
			keys(inner, all)
			all[typ.Name()] = append(all[typ.Name()], all[inner.Name()]...)
			delete(all, inner.Name())
		}
		key, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if key == "" {
			continue
		}
		if options == "omitempty" {
			key += " ?"
		}
		all[typ.Name()] = append(all[typ.Name()], key)
	}
}

// TestDocumented: docs/culprits.md has every key that is written, in its order, and no
// other, and shows what the command prints.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile("(?m)^\\| `([a-z0-9_]+)`( \\?)? \\| (?:string|number|bool|object|array|time) \\|")
	documented := make(map[string][]string)
	for _, section := range strings.Split(string(text), "\n### ")[1:] {
		name, _, _ := strings.Cut(section, "\n")
		for _, m := range key.FindAllStringSubmatch(section, -1) {
			documented[name] = append(documented[name], m[1]+m[2])
		}
	}
	want := make(map[string][]string)
	keys(reflect.TypeFor[Result](), want)
	if diff := cmp.Diff(want, documented); diff != "" {
		t.Errorf("%s (-written +documented):\n%s", page, diff)
	}
	shown, err := os.ReadFile("testdata/fleet.txt")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```text\n"+string(shown)+"```\n") {
		t.Errorf("%s does not show testdata/fleet.txt", page)
	}
}
