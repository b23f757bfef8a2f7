// SPDX-License-Identifier: Apache-2.0

// Package e2e checks, against a real Jaeger, what we say a person sees there;
// package browser below it does the same for the HTML report.
// `make e2e` builds Jaeger once and runs everything; plain `go test` runs what
// needs no Jaeger and skips the rest.
package e2e
