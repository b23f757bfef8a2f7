// SPDX-License-Identifier: Apache-2.0

package woven

import "slices"

// maxMarks bounds the points: there is no initialised slice to append to.
const maxMarks = 64

// Written by init functions, which run one after the other, and not later.
var (
	marks  [maxMarks]string
	marked int
)

// mark is called by an init function at each point that was woven: a function that
// grpc has renamed has none.
func mark(point string) {
	if marked < maxMarks {
		marks[marked] = point
		marked++
	}
}

// Points returns the points that were woven, sorted. It is called when all packages
// of grpc have been initialised.
func Points() []string {
	found := slices.Clone(marks[:marked])
	slices.Sort(found)
	return slices.Compact(found)
}
