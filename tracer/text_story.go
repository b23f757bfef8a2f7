// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// passing is what changes in a verdict while the same thing goes on.
var passing = regexp.MustCompile(`\b(\d+(\.\d+)?(µs|ms|s)|\d+m\d\ds|\d+h\d\dm)\b`)

// chapter is what a teller said from some checkpoint on; again, up to another one.
type chapter struct {
	from, until Duration
	verdict     string // empty: the same as before
}

// storyLines are what the checkpoints told. Of those that tell the same but for
// the time that has passed, the first does. What several members told at one time
// is told once.
func storyLines(r *Report) (lines []string) {
	all := gather(r, func(r *Report) []chapter { return story(r.Checkpoints, r.info().Offset) })
	if len(r.Members) > 0 {
		all = slices.Concat(membersStory(r), all[len(story(r.Checkpoints, 0)):])
		slices.SortStableFunc(all, func(a, b by[chapter]) int {
			return cmp.Compare(a.what.from, b.what.from)
		})
	}
	for i := range all {
		c := &all[i].what
		who, when := fewNames(all[i].who), "at "+c.from.String()
		if c.until > c.from {
			when = "until " + c.until.String()
		}
		if who != "" {
			when += ", " + who
		}
		lines = append(lines, when+": "+cmp.Or(c.verdict, "the same"))
	}
	return lines
}

// story is what one teller told, offset after the axis' beginning.
func story(checkpoints []Checkpoint, offset Duration) (all []chapter) {
	last := ""
	for _, c := range checkpoints {
		what, at := passing.ReplaceAllString(c.Verdict, ""), c.Offset+offset
		switch n := len(all); {
		case n == 0 || what != last:
			all = append(all, chapter{at, at, c.Verdict})
		case all[n-1].verdict == "":
			all[n-1].until = at
		default:
			all = append(all, chapter{from: at, until: at})
		}
		last = what
	}
	return all
}

// membersStory is what a group told, which has the name of the member before it
// that the group waited for.
func membersStory(r *Report) (all []by[chapter]) {
	of, teller := make(map[string][]Checkpoint), tellers(r.named())
	for _, c := range r.Checkpoints {
		name, verdict := teller(c.Verdict)
		c.Verdict = verdict
		of[name] = append(of[name], c)
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		for _, c := range story(of[name], 0) {
			one := by[chapter]{what: c}
			if name != "" {
				one.who = []string{name}
			}
			all = append(all, one)
		}
	}
	return all
}

// tellers finds the member whose name a group's checkpoint begins with, if any
// does, and the rest.
func tellers(members []namedMember) func(verdict string) (name, rest string) {
	return func(verdict string) (name, rest string) {
		for _, m := range members {
			if rest, ok := strings.CutPrefix(verdict, m.info().Name+": "); ok && m.info().Name != "" {
				return m.name, rest
			}
		}
		return "", verdict
	}
}
