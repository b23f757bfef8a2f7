// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFaultsPage: docs/faults.md has every row of TestU46Faults, and no other.
func TestFaultsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(page), "<!-- faults -->\n")
	if len(parts) != 3 {
		t.Fatalf("%d marks around the table, want 2", len(parts)-1)
	}
	var want, got []string
	for _, f := range faults() {
		want = append(want, f.name)
	}
	row := regexp.MustCompile(`(?m)^\| (.*?) \| +\d+\.\d\d s \|`)
	for _, m := range row.FindAllStringSubmatch(parts[1], -1) {
		got = append(got, m[1])
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/faults.md (-tested +documented):\n%s", diff)
	}
}
