// SPDX-License-Identifier: Apache-2.0

package tracer

import "testing"

func TestVersionInCache(t *testing.T) {
	for file, want := range map[string]string{
		"/go/pkg/mod/github.com/gracetrace/gracetrace@v0.3.1/tracer/version.go": "v0.3.1",
		"github.com/gracetrace/gracetrace@v1.0.0-rc.1/tracer/version.go":        "v1.0.0-rc.1",
		"/src/gracetrace/tracer/version.go":                                     "unknown",
		"/app/vendor/github.com/gracetrace/gracetrace/tracer/version.go":        "unknown",
		"": "unknown",
	} {
		if got := versionInCache(file); got != want {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
	}
}
