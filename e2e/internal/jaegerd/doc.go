// SPDX-License-Identifier: Apache-2.0

// Package jaegerd runs the real Jaeger in tests, with the configuration that
// users get, on loopback ports of its own, and reads traces back from it.
//
// The binary is bin/jaeger, made by tools/jaeger/build.sh. Tests that start it
// are skipped unless E2E is set; with E2E set a missing binary is a failure.
package jaegerd
