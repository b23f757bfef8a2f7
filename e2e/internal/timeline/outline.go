// SPDX-License-Identifier: Apache-2.0

package timeline

import (
	"fmt"
	"strings"
	"time"
)

// Outline returns the rows as text, two spaces for each level, with the start
// relative to the first row and the duration:
//
//	grpc.server.shutdown  0s +25s
//	  quit  2µs +12µs
func (t *Tree) Outline() string {
	if len(t.Roots) == 0 {
		return ""
	}
	var b strings.Builder
	zero := t.Roots[0].Start
	var write func([]*Node, int)
	write = func(nodes []*Node, depth int) {
		for _, n := range nodes {
			fmt.Fprintf(&b, "%*s%s  %v +%v\n", 2*depth, "", n.Name,
				micros(n.Start-zero), micros(n.Duration()))
			write(n.Children, depth+1)
		}
	}
	write(t.Roots, 0)
	return b.String()
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }
