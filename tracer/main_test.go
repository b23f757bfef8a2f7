// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs without the variables of whoever runs the tests.
func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if strings.HasPrefix(name, "OTEL_") || strings.HasPrefix(name, "GRACETRACE_") ||
			name == envTraceParent {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}
