// SPDX-License-Identifier: Apache-2.0

// Package repo has no code: its tests are the rules this repository keeps, each
// with its reason. A rule is a function from a file tree to what breaks it, so
// that every rule is also run on a tree that breaks it.
package repo
