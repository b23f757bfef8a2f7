// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// readBack is what `gracetrace report` makes of a trace in the forms in which
// Jaeger gives it away. The first is also what its UI downloads.
func readBack(t *testing.T, j *jaegerd.Server, bin, id string) map[string]report {
	t.Helper()
	reports := make(map[string]report)
	for _, path := range []string{"/api/traces/", "/api/v3/traces/"} {
		answer, err := j.Answer(t.Context(), path+id)
		if err != nil {
			t.Fatal(err)
		}
		cmd := command(t, j, bin, "report", "--json", "-")
		cmd.Stdin = bytes.NewReader(answer)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("report of %s: %v\n%s", path, err, stderr(err))
		}
		var r report
		if err := json.Unmarshal(out, &r); err != nil {
			t.Fatalf("report of %s: %v\n%s", path, err, out)
		}
		reports[path] = r
	}
	return reports
}

// spanTicks is how far apart spans are drawn in µs, all phases together, so that
// Jaeger finds the critical path.
const spanTicks = 20

// checkReadBack wants the report that the demo printed.
func checkReadBack(t *testing.T, j *jaegerd.Server, bin string, want *report) {
	t.Helper()
	near := cmp.Comparer(func(a, b int64) bool { return max(a-b, b-a) <= spanTicks })
	for path, got := range readBack(t, j, bin, want.TraceID) {
		if diff := cmp.Diff(*want, got, near, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("report of %s (-printed +read):\n%s", path, diff)
		}
	}
}
