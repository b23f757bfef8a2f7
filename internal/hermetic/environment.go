// SPDX-License-Identifier: Apache-2.0

package hermetic

import (
	"os"
	"strings"
)

// forTests is how variables begin that tests are told something by.
const forTests = "GRACETRACE_TEST_"

// ClearEnvironment removes the variables that a Tracer reads: whoever runs tests may
// have them for a program of their own. It is for TestMain, after a test binary has
// been told by the environment what else it is to be.
func ClearEnvironment() {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); ours(name) {
			_ = os.Unsetenv(name)
		}
	}
}

func ours(name string) bool {
	switch name {
	case "TRACEPARENT", "TRACESTATE", "STATE_DIRECTORY":
		return true
	}
	return strings.HasPrefix(name, "OTEL_") ||
		strings.HasPrefix(name, "GRACETRACE_") && !strings.HasPrefix(name, forTests)
}
