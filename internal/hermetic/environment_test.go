// SPDX-License-Identifier: Apache-2.0

package hermetic

import (
	"os"
	"testing"
)

// TestClearEnvironment: what a Tracer reads is gone, what is others' stays.
func TestClearEnvironment(t *testing.T) {
	for name, stays := range map[string]bool{
		"OTEL_EXPORTER_OTLP_ENDPOINT": false, "GRACETRACE_SPOOL": false, "TRACEPARENT": false,
		"TRACESTATE": false, "STATE_DIRECTORY": false, forTests + "KILLS": true, "HOTEL_CALIFORNIA": true,
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "set")
			ClearEnvironment()
			if _, ok := os.LookupEnv(name); ok != stays {
				t.Errorf("it is there: %t", ok)
			}
		})
	}
}
