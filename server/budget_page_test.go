// SPDX-License-Identifier: Apache-2.0

package server

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// budgetRow is a row of the table in docs/kubernetes.md: what the user sets, and how
// it is cut.
var budgetRow = regexp.MustCompile(`(?m)^\| (\d+)` + strings.Repeat(` \| (\S+)`, 8) + ` \|$`)

// TestBudgetsOnThePage: the table cuts a grace period as Shutdown does, and the
// parts are what Kubernetes gives.
func TestBudgetsOnThePage(t *testing.T) {
	page, err := os.ReadFile("../docs/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := budgetRow.FindAllStringSubmatch(string(page), -1)
	if len(rows) != 4 {
		t.Fatalf("%d rows, want 4", len(rows))
	}
	for _, row := range rows {
		var d [10]time.Duration
		for i, cell := range row[1:] {
			d[i+1] = cellDuration(t, cell)
		}
		pod, preStop, grace, duck, left := d[1], d[2], d[3], d[4], d[9]
		s := Server{duck: duck, flushes: []flush{{name: "otel"}}}
		p := s.plan(grace)
		want := fmt.Sprint(p.lameDuck, p.drain, p.forced, p.appFlush, p.flush)
		if got := fmt.Sprint(d[4], d[5], d[6], d[7], d[8]); got != want {
			t.Errorf("%s: the page cuts %s into %s, Shutdown into %s", row[0], grace, got, want)
		}
		if pod != preStop+grace+left || left < 5*time.Second {
			t.Errorf("%s: does not add up, or less than 5 s are left", row[0])
		}
	}
}

// cellDuration reads 25s, 30 for seconds, and – for none.
func cellDuration(t *testing.T, cell string) time.Duration {
	t.Helper()
	if cell == "–" {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSuffix(cell, "s") + "s")
	if err != nil {
		t.Fatal(err)
	}
	return d
}
