// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"regexp"
)

// passing is what changes in a verdict while the same thing goes on.
var passing = regexp.MustCompile(`\b(\d+(\.\d+)?(µs|ms|s)|\d+m\d\ds|\d+h\d\dm)\b`)

// storyLines are what the checkpoints told. Of those that tell the same but for
// the time that has passed, the first does.
func storyLines(checkpoints []Checkpoint) (lines []string) {
	told, again := "", 0
	for _, c := range checkpoints {
		what := passing.ReplaceAllString(c.Verdict, "")
		if what != told || len(lines) == 0 {
			lines = append(lines, fmt.Sprintf("at %s: %s", c.Offset, c.Verdict))
			told, again = what, 0
			continue
		}
		same := fmt.Sprintf("at %s: the same", c.Offset)
		if again++; again == 1 {
			lines = append(lines, same)
		} else { // the last of a row stands for it
			lines[len(lines)-1] = fmt.Sprintf("until %s: the same", c.Offset)
		}
	}
	return lines
}
