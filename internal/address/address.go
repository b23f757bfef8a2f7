// SPDX-License-Identifier: Apache-2.0

// Package address gives tests addresses that are theirs alone, whatever else runs
// on this machine.
package address

import (
	"os"
	"path/filepath"
	"testing"
)

// maxPath is how long a socket's path may be: darwin's limit, Linux has 108.
const maxPath = 103

// Unix returns a path, of which base is the last element, at which a socket can be
// made. It is short wherever TMPDIR leads to.
func Unix(tb testing.TB, base string) string {
	tb.Helper()
	if path := filepath.Join(tb.TempDir(), base); len(path) <= maxPath {
		return path
	}
	dir, err := os.MkdirTemp("/tmp", "") //nolint:usetesting // TempDir is what is too long
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, base)
}
