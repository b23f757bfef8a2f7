// SPDX-License-Identifier: Apache-2.0

//go:build race

package interceptors_test

// raceEnabled: sync.Pool then drops one in four of what it is given.
const raceEnabled = true
