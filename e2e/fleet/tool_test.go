// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"os"
	"os/exec"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
)

// binary returns the path of a tool of bin/. It skips the test unless E2E is set.
func binary(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("needs the real " + name + ": run `make e2e`, or set E2E=1")
	}
	return jaegerd.Tool(t, name)
}

// debian returns the path of a program of Debian's package prometheus. Where it
// is not installed the test is skipped, but not in CI, which installs it.
func debian(t *testing.T, name string) string {
	t.Helper()
	bin, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("REQUIRE_PROMETHEUS") == "":
		t.Skip("needs " + name + ": apt-get install prometheus")
	default:
		t.Fatal(err)
	}
	return bin
}
