// SPDX-License-Identifier: Apache-2.0

// Package compare tells what changed between two shutdowns, and who changed it.
package compare

import (
	"cmp"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// Two durations differ for a reason if they differ by more than both of these;
// below, the scheduler explains it.
const (
	NoiseFloor   = 100 * time.Millisecond
	NoisePercent = 10 // of the longer one
)

// Comparison is what B, the later one as a rule, does differently from A.
type Comparison struct {
	A          Side            `json:"a"`
	B          Side            `json:"b"`
	Difference tracer.Duration `json:"difference_us"` // of B from A: positive is slower
	// Changes are those that are not noise, the most important first.
	Changes []Change `json:"changes"`
	Phases  []Phase  `json:"phases"`
}

// Side is one of the two shutdowns.
type Side struct {
	Service  string          `json:"service"`
	TraceID  string          `json:"trace_id"`
	Start    time.Time       `json:"start"`
	Outcome  tracer.Outcome  `json:"outcome"`
	Duration tracer.Duration `json:"duration_us"`
	Verdict  string          `json:"verdict"`
	RPCsCut  int             `json:"rpcs_cut"`
}

// Change is one thing that is different.
type Change struct {
	Kind Kind `json:"kind"`
	// Text says it in a sentence.
	Text       string          `json:"text"`
	Member     string          `json:"member,omitempty"` // of a group
	Phase      tracer.Phase    `json:"phase,omitempty"`
	Difference tracer.Duration `json:"difference_us,omitempty"`
	// A and B are whom to blame, if anybody: of a phase's change.
	A *tracer.Holder `json:"a_culprit,omitempty"`
	B *tracer.Holder `json:"b_culprit,omitempty"`
}

// Kind is what kind of thing changed.
type Kind string

// The kinds of changes, the most important first.
const (
	KindOutcome Kind = "outcome"
	KindCut     Kind = "rpcs cut"
	KindPhase   Kind = "phase"   // it took longer or shorter
	KindCulprit Kind = "culprit" // it took as long, but somebody else held it
	KindClients Kind = "clients"
)

var rank = map[Kind]int{KindOutcome: 0, KindCut: 1, KindPhase: 2, KindCulprit: 3, KindClients: 4}

// Phase is a row of the table, of a group with its member; without a name it is all
// of the member's stop. A side that has no such row has nil.
type Phase struct {
	Member     string           `json:"member,omitempty"`
	Name       tracer.Phase     `json:"name"`
	A          *tracer.Duration `json:"a_us"`
	B          *tracer.Duration `json:"b_us"`
	Difference tracer.Duration  `json:"difference_us"`
	Noise      bool             `json:"noise"`

	culpritA, culpritB *tracer.Holder
	below              bool // it has phases below it, which say what is to be said
}

// Compare compares two shutdowns.
func Compare(a, b *tracer.Report) *Comparison {
	c := &Comparison{
		A: side(a), B: side(b), Difference: b.Duration - a.Duration, Phases: phases(a, b),
		Changes: []Change{},
	}
	c.outcome()
	c.outcomes(a, b)
	c.cut(a, b)
	for i := range c.Phases {
		c.phase(&c.Phases[i])
	}
	c.clientsOfAll(a, b)
	slices.SortStableFunc(c.Changes, func(x, y Change) int {
		return cmp.Or(cmp.Compare(rank[x.Kind], rank[y.Kind]),
			cmp.Compare(abs(y.Difference), abs(x.Difference)))
	})
	return c
}

func side(r *tracer.Report) Side {
	s := Side{
		Service: r.Service, TraceID: r.TraceID, Start: r.Start, Outcome: r.Outcome,
		Duration: r.Duration, Verdict: r.Verdict,
	}
	for _, n := range r.RPCsCut {
		s.RPCsCut += n
	}
	return s
}

func abs(d tracer.Duration) tracer.Duration { return max(d, -d) }

// isNoise says whether a difference needs no reason.
func isNoise(a, b tracer.Duration) bool {
	d := time.Duration(abs(a - b))
	return d <= NoiseFloor || d <= time.Duration(max(a, b)/100*NoisePercent)
}

// phases are those of both, in their order: of a phase that only one has, behind
// the one that it follows there.
func phases(a, b *tracer.Report) []Phase {
	var rows []Phase
	at := func(e *entry) int {
		return slices.IndexFunc(rows, func(p Phase) bool { return p.Member == e.member && p.Name == e.name })
	}
	for _, e := range entries(a) {
		if at(&e) < 0 {
			rows = append(rows, Phase{
				Member: e.member, Name: e.name, A: &e.took, culpritA: e.culprit, below: e.below,
			})
		}
	}
	next := 0
	for _, e := range entries(b) {
		j := at(&e)
		if j < 0 {
			j = next
			rows = slices.Insert(rows, j, Phase{Member: e.member, Name: e.name})
		}
		if rows[j].B == nil {
			rows[j].B, rows[j].culpritB = &e.took, e.culprit
		}
		rows[j].below = rows[j].below || e.below
		next = j + 1
	}
	for i := range rows {
		row := &rows[i]
		row.Difference = value(row.B) - value(row.A)
		row.Noise = isNoise(value(row.A), value(row.B))
	}
	return rows
}

func value(d *tracer.Duration) tracer.Duration {
	if d == nil {
		return 0
	}
	return *d
}
