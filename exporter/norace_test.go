// SPDX-License-Identifier: Apache-2.0

//go:build !race

package exporter

// raced says that the race detector is on, under which all takes ten times as long.
const raced = false
