// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"bytes"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/woven"
)

// TestEveryPointIsWoven fails with the first grpc-go that has renamed a function.
func TestEveryPointIsWoven(t *testing.T) {
	requireWoven(t)
	if diff := cmp.Diff(slices.Sorted(slices.Values(expected)), woven.Points()); diff != "" {
		t.Errorf("the points of orchestrion.yml, and those in this program (-want +got):\n%s", diff)
	}
}

// TestPointsAreMarked compares the names in orchestrion.yml with ours. Those of the
// waits are made by its templates.
func TestPointsAreMarked(t *testing.T) {
	file, err := os.ReadFile("orchestrion.yml")
	if err != nil {
		t.Fatal(err)
	}
	var marked []string
	for _, m := range regexp.MustCompile(`__gracetrace_mark\("([^"{]+)"\)`).FindAllSubmatch(file, -1) {
		marked = append(marked, string(m[1]))
	}
	waits := []string{pointServeWait, pointConnWait, pointHandlerWait}
	all := append([]string{pointXDS, pointXDSServe}, expected...)
	if diff := cmp.Diff(sorted(all), sorted(append(marked, waits...))); diff != "" {
		t.Errorf("the points we expect, and those of orchestrion.yml (-want +got):\n%s", diff)
	}
	for _, p := range marked {
		if p == pointXDS || p == pointXDSServe { // the one is a package, the other has a function of its own
			continue
		}
		if n := strings.Count(string(file), `("`+p+`"`); n < 1 {
			t.Errorf("%s is marked and calls nothing", p)
		}
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// TestMissingPointIsSaid logs one line that names what a release has renamed.
func TestMissingPointIsSaid(t *testing.T) {
	var log bytes.Buffer
	l := slog.New(slog.NewTextHandler(&log, nil))
	points(expected).say(l)
	append(without(), pointXDS, pointXDSServe).say(l)
	if log.Len() > 0 {
		t.Errorf("nothing is missing, and the log says %s", &log)
	}
	without(pointServeWait, pointClose).say(l)
	if got := append(without(), pointXDS).missing(); len(got) != 1 || got[0] != pointXDSServe {
		t.Errorf("missing %v, want %s", got, pointXDSServe)
	}
	want := `missing="[serveWG.Wait closeServerTransportsLocked]"`
	if lines := strings.Count(log.String(), "\n"); lines != 1 || !strings.Contains(log.String(), want) {
		t.Errorf("want one line with %s, got:\n%s", want, &log)
	}
}

// without are the expected points but for some.
func without(names ...string) points {
	return slices.DeleteFunc(slices.Clone(expected), func(n string) bool {
		return slices.Contains(names, n)
	})
}
