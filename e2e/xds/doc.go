// SPDX-License-Identifier: Apache-2.0

// Package xds checks shutdowns of servers that a control plane configures: real
// ones of grpc's package xds over TCP, and envoy's go-control-plane. Each happens
// twice, with gracetrace and without: RPCs end alike, and so does the stop. Under
// `make weave` the one without is a program that the compiled-in mode traces.
package xds
