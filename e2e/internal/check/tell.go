// SPDX-License-Identifier: Apache-2.0

package check

import (
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// Tell fails the test with findings, and shows the tree.
func Tell(t *testing.T, tree *timeline.Tree, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
	if len(findings) > 0 {
		t.Log(tree.Outline())
	}
}
