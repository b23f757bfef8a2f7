// SPDX-License-Identifier: Apache-2.0

// Package timeline holds the rules by which Jaeger's UI turns the spans of a
// trace into what a person sees, so that tests can ask about the picture and
// not only about the data: which span stands below which, which ones make the
// trace "Incomplete", what the page is called, and where the critical path
// runs. The Jaeger that can be built from the Go module proxy has no UI, and a
// trace that is correct as data can still be drawn wrong.
//
// The rules are those of Jaeger UI 2.20, whose own functions give the same rows,
// roots, title and critical path for each kind of trace that we have. Times are
// whole microseconds, because that is what the UI compares.
//
// Not covered: the exception for consumers below producers (all our spans are
// INTERNAL) and the renaming of duplicate span ids ([Tree.Duplicates] lists
// them instead).
package timeline
