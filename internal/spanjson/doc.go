// SPDX-License-Identifier: Apache-2.0

// Package spanjson writes spans as the JSON that collectors and Jaeger write,
// for tests of what reads them.
package spanjson
