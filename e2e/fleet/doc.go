// SPDX-License-Identifier: Apache-2.0

// Package fleet runs what the folder fleet/ configures: a real collector, a
// real Jaeger and a real Prometheus, with gracetrace's processes before them.
package fleet
