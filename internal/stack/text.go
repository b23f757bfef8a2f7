// SPDX-License-Identifier: Apache-2.0

package stack

import (
	"fmt"
	"strings"
)

// maxText bounds the text of a stack in bytes.
const maxText = 4 << 10

// elision is the longest line that stands for frames that were left out.
const elision = len("...1000 frames elided...\n")

// text prints frames as Go does, without arguments and folders. Where that is
// too long, frames are left out: those around the one at which the application
// is, the innermost and the outermost are kept as far as there is room.
func text(frames []Frame, site int) string {
	lines := make([]string, len(frames))
	total := 0
	for i := range frames {
		lines[i] = frames[i].line()
		total += len(lines[i])
	}
	if total <= maxText {
		return strings.Join(lines, "")
	}
	keep := choose(lines, max(site, 0))
	var b strings.Builder
	left := 0
	for i, line := range lines {
		if !keep[i] {
			left++
			continue
		}
		elide(&b, left)
		left = 0
		b.WriteString(line)
	}
	elide(&b, left)
	return b.String()
}

// choose keeps the site and its callers first, as many of them as a quarter of
// the room takes, then in turns the innermost and the outermost.
func choose(lines []string, site int) []bool {
	keep := make([]bool, len(lines))
	room := maxText - 3*elision
	take := func(i, reserve int) bool {
		if keep[i] {
			return true
		}
		if len(lines[i]) > room-reserve {
			return false
		}
		keep[i] = true
		room -= len(lines[i])
		return true
	}
	for i := site; i < len(lines) && take(i, maxText*3/4); i++ {
	}
	for i, j := 0, len(lines)-1; i <= j; i, j = i+1, j-1 {
		if !take(i, 0) || !take(j, 0) {
			break
		}
	}
	return keep
}

func elide(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "...%d frames elided...\n", n)
	}
}

func (f *Frame) line() string {
	if f.Elided {
		return "...additional frames elided...\n"
	}
	if f.File == "" {
		return f.Name() + "(...)\n"
	}
	return f.Name() + "(...)\n    " + f.Source() + "\n" // a log or a terminal may not take tabs
}
