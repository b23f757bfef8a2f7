// SPDX-License-Identifier: Apache-2.0

// Package watch holds what the sensors see of one server while it runs: its
// listeners, its connections and its RPCs in flight. Package interceptors
// writes, package tracer reads, and only when the server stops.
//
// Every moment is an [Instant], stamped by the goroutine to which it happened.
// Nothing here decides anything: which phase a moment belongs to and who is to
// blame are functions of the snapshots, in package tracer.
package watch
