// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"math"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

const (
	maxDuration = tracer.Duration(math.MaxInt64)
	// maxVersions is how many versions a result names.
	maxVersions = 50
	// otherNames stands for those of phases and versions that are too many.
	otherNames = "(others)"
)

// tally is the sums.
type tally struct {
	q        *Query
	total    sum
	phases   map[string]*distribution
	versions map[string]*sum
	culprits groups
	future   int // shutdowns that lie in the future
	over     Over
}

// sum is that of some shutdowns.
type sum struct {
	Counts
	took distribution
}

func newTally(q *Query) *tally {
	return &tally{
		q: q, phases: make(map[string]*distribution), versions: make(map[string]*sum),
		culprits: groups{all: make(map[Who]*group)},
	}
}

func (t *tally) all() int { return t.total.All }

// add takes in one shutdown: a server's, or a group's with its members.
func (t *tally) add(id traceID, r *tracer.Report) {
	r.AsOf(t.q.Now, t.q.Silence)
	outcome := r.Outcome
	if r.Start.After(t.q.Now) {
		t.future++
	}
	t.total.add(outcome, r)
	t.version(r.ServiceVersion).add(outcome, r)
	t.judge(id, outcome, r)
	if outcome == tracer.OutcomeRunning {
		return // who will have held it, its end tells
	}
	one := make(map[Who]*share)
	t.held(id, r, one)
	t.culprits.add(one)
}

func (s *sum) add(outcome tracer.Outcome, r *tracer.Report) {
	s.All++
	switch outcome {
	case tracer.OutcomeGraceful:
		s.Graceful++
	case tracer.OutcomeForced:
		s.Forced++
	case tracer.OutcomeKilled:
		s.Killed++
	case tracer.OutcomeRunning:
		s.Running++
		return
	default:
		s.Unknown++
	}
	for _, n := range r.RPCsCut {
		s.RPCsCut += max(n, 0)
	}
	s.took.add(r.Duration, outcome == tracer.OutcomeKilled)
}

// version is the sum of that version.
func (t *tally) version(name string) *sum {
	name = short(name)
	if t.versions[name] == nil {
		if len(t.versions) >= maxVersions {
			name = otherNames
		}
		if t.versions[name] == nil {
			t.versions[name] = &sum{}
		}
	}
	return t.versions[name]
}

// held adds up the phases of a shutdown and of its members, and whom they blame.
func (t *tally) held(id traceID, r *tracer.Report, one map[Who]*share) {
	for i := range r.Phases {
		p := &r.Phases[i]
		name := short(string(p.Name))
		t.phase(name).add(p.Duration, p.Open)
		if p.Culprit == nil {
			continue
		}
		w := who(p.Culprit, t.q.By)
		s := one[w]
		if s == nil {
			s = &share{}
			one[w] = s
		}
		held := max(p.Culprit.Held, 0)
		s.held = plus(s.held, held)
		s.phases = with(s.phases, name)
		at := Worst{TraceID: id.String(), SpanID: spanID(p.Culprit.SpanID), Held: held}
		if at.worse(&s.worst) {
			s.worst = at
		}
	}
	for _, m := range r.Members {
		t.held(id, m, one)
	}
}

func (t *tally) phase(name string) *distribution {
	if t.phases[name] == nil {
		if len(t.phases) >= maxPhases {
			name = otherNames
		}
		if t.phases[name] == nil {
			t.phases[name] = &distribution{}
		}
	}
	return t.phases[name]
}

// judge says whether a shutdown keeps to --fail-over.
func (t *tally) judge(id traceID, outcome tracer.Outcome, r *tracer.Report) {
	limit := t.q.FailOver
	if limit <= 0 {
		return
	}
	long := time.Duration(r.Duration) > limit
	switch {
	case outcome == tracer.OutcomeForced:
		t.over.Forced++
	case outcome == tracer.OutcomeKilled:
		t.over.Killed++
	case long:
		t.over.Longer++
	default:
		return
	}
	t.over.Shutdowns++
	worst := Worst{TraceID: id.String(), SpanID: culpritSpan(r), Held: r.Duration}
	if worst.worse(&t.over.worst) {
		t.over.worst = worst
	}
}

// culpritSpan is the span of who held a shutdown for longest.
func culpritSpan(r *tracer.Report) (id string) {
	var held tracer.Duration = -1
	var look func(r *tracer.Report)
	look = func(r *tracer.Report) {
		for i := range r.Phases {
			if c := r.Phases[i].Culprit; c != nil && c.Held > held {
				held, id = c.Held, spanID(c.SpanID)
			}
		}
		for _, m := range r.Members {
			look(m)
		}
	}
	look(r)
	return id
}

// spanID is "" if it is none: it becomes a part of a link.
func spanID(s string) string {
	if len(s) != 16 || strings.Trim(s, "0123456789abcdef") != "" {
		return ""
	}
	return s
}
