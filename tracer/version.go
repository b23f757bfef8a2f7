// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"runtime"
	"runtime/debug"
	"strings"
)

const (
	modulePath     = "github.com/gracetrace/gracetrace"
	versionUnknown = "unknown"
)

// version is the version of this module in the running binary. The binary of a
// program that was instrumented when it was built does not list it: there the
// folder of the module cache tells, which is in the names of source files, with
// -trimpath, too.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Path == modulePath {
			return info.Main.Version
		}
		for _, m := range info.Deps {
			if m.Path == modulePath {
				return m.Version
			}
		}
	}
	_, file, _, _ := runtime.Caller(0) //nolint:dogsled // the file is all that is asked for
	return versionInCache(file)
}

// versionInCache reads a version from the name of a file in the module cache.
func versionInCache(file string) string {
	_, after, ok := strings.Cut(file, "/gracetrace/gracetrace@")
	if !ok {
		return versionUnknown // replaced by a folder, or vendored
	}
	v, _, _ := strings.Cut(after, "/")
	return v
}
