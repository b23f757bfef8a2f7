// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"runtime"
	"strings"
)

const (
	// maxDepth is how deep below the caller a mark is looked for.
	maxDepth = 512
	// currentBytes is what the text of one goroutine, at most 100 frames, takes.
	currentBytes = 64 << 10
)

// Current returns the entries of the RPCs whose handlers the calling goroutine is
// in: none or one, more where a handler calls another server in memory. The world
// goes on meanwhile. Of a handler's other goroutines nothing is known.
func Current() (entries []string) {
	if !marked() {
		return nil // most often, and cheaper to know
	}
	buf := make([]byte, currentBytes)
	dump := string(buf[:runtime.Stack(buf, false)])
	for _, h := range Read(dump, "").Handlers {
		if h.Entry != "" {
			entries = append(entries, h.Entry)
		}
	}
	return entries
}

// marked reports whether the calling goroutine is below a mark.
func marked() bool {
	pcs := make([]uintptr, maxDepth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, sensors+"."+mark) {
			return true
		}
		if !more {
			return false
		}
	}
}

// Serving returns the address of the *grpc.Server in whose Serve the calling goroutine
// is, as a dump shows it; empty if it is in none's.
func Serving() (server string) {
	buf := make([]byte, currentBytes)
	dump := string(buf[:runtime.Stack(buf, false)])
	for g := range All(dump) {
		server = strings.Clone(serverOf(g.Frames))
	}
	return server
}
