// SPDX-License-Identifier: Apache-2.0

// Package check looks at the trace of a shutdown as Jaeger gives it back, and
// says what of our promises it breaks: names, tree, times, attributes, links,
// and what a person sees of them by the rules of Jaeger's UI. It is the same
// for every trace, whatever held the server and however the trace got there.
//
// A check returns its findings, one sentence each, none if all is well.
package check
