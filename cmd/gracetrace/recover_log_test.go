// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestRecoverSaysThatALogHasNothing: not an error, as most stops leave nothing, but
// whoever has piped the wrong log must not take silence for success.
func TestRecoverSaysThatALogHasNothing(t *testing.T) {
	const line = `{"resourceSpans":[{"resource":{},"scopeSpans":[]}]}`
	for _, test := range []struct {
		name, log string
		hint      bool
	}{
		{"empty", "", true},
		{"no spans", "level=INFO msg=serving\n", true},
		{"quoted", `{"log":"{\"resourceSpans\":[]}\n","stream":"stderr"}` + "\n", true},
		{"a line", "server-1  | " + line + "\n", false},
		{"a torn line", `{"resourceSpans":[{"resour`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("OTEL_TRACES_EXPORTER", "none")
			f := recoverFlags{dry: true, timeout: durationValue{defaultRecoverTimeout}}
			var stdout, stderr bytes.Buffer
			err := f.run(context.Background(), stdinName, strings.NewReader(test.log), &stdout, &stderr)
			if err != nil {
				t.Fatal(err)
			}
			if said := strings.Contains(stderr.String(), noSpoolInLog); said != test.hint {
				t.Errorf("stdout %q, stderr %q", stdout.String(), stderr.String())
			}
		})
	}
}
