// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// notEnded is said of a shutdown without an end.
const notEnded = "its end was never sent: the process was killed, " +
	"or was still stopping when this was written"

// Unended reports whether the end of the shutdown was never sent, so that its outcome
// killed is a guess: its process was killed, or it still stops; see AsOf. It is false
// for a report that was not read from spans, and for a killed run that was recovered.
func (r *Report) Unended() bool {
	return r.Outcome == OutcomeKilled &&
		slices.ContainsFunc(r.Notes, func(n Note) bool { return n.Text == notEnded })
}

// laterOn is the age at which a shutdown no longer tells of itself every 5 s, but up
// to a minute apart.
const laterOn = Duration(time.Minute)

// AsOf makes of an unended shutdown one that still runs, if it was heard of less than
// silence before now, or twice that if it had lasted for a minute: then it tells of
// itself more rarely. Silence of a minute is right unless spans take long to where the
// report was read. What has ended is left as it is, as is one that was killed.
//
// It is no method to call while others use the report.
func (r *Report) AsOf(now time.Time, silence time.Duration) {
	if !r.Unended() {
		return
	}
	if r.Duration > laterOn {
		silence *= 2
	}
	ago := now.Sub(r.Start.Add(time.Duration(r.Duration)))
	if ago > silence {
		return
	}
	for _, m := range r.Members {
		if m.Outcome == OutcomeKilled {
			m.runs()
		}
	}
	r.runs()
	for i := range r.Notes {
		if r.Notes[i].Text == notEnded {
			r.Notes[i].Text = fmt.Sprintf("its end was not sent yet, it was heard of %s ago: "+
				"if nothing follows within %s of that, it was killed", Duration(max(ago, 0)), Duration(silence))
		}
	}
}

// runs makes a killed shutdown one that still runs.
func (r *Report) runs() {
	r.Outcome = OutcomeRunning
	so := fmt.Sprintf("running for at least %s: ", r.Duration)
	_, told, _ := strings.Cut(r.Verdict, fmt.Sprintf(afterAtLeast, r.Duration)+": ")
	n := len(r.Checkpoints)
	switch {
	case len(r.Members) > 0:
		r.Verdict = r.membersVerdict(so, OutcomeRunning)
	case n > 0:
		r.Verdict = r.Checkpoints[n-1].Verdict
	case told == "", told == toldNothing:
		r.Verdict = so + "it has not told yet what holds it"
	default:
		r.Verdict = so + told
	}
}
