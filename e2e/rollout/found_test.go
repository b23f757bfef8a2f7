// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"bytes"
	"cmp"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/tracer"
)

// result is what `gracetrace culprits --json` prints, as docs/culprits.md describes it.
type result struct {
	Counts struct {
		All      int `json:"all"`
		Graceful int `json:"graceful"`
		Forced   int `json:"forced"`
		Killed   int `json:"killed"`
		Running  int `json:"running"`
		RPCsCut  int `json:"rpcs_cut"`
	} `json:"shutdowns"`
	Complete   bool            `json:"complete"`
	Incomplete []string        `json:"incomplete"`
	Duration   Longest         `json:"duration"`
	Phases     []phase         `json:"phases"`
	Culprits   []culprit       `json:"culprits"`
	Versions   []versionCounts `json:"versions"`
	Search     struct {
		Answers int   `json:"answers"`
		Bytes   int64 `json:"bytes"`
	} `json:"search"`
}

// Longest is of what Times has.
type Longest struct {
	Max tracer.Duration `json:"max_us"`
}

type phase struct {
	Name      string `json:"name"`
	Shutdowns int    `json:"shutdowns"`
	Longest
}

type culprit struct {
	Kind      string          `json:"kind"`
	State     string          `json:"state"`
	Method    string          `json:"method"`
	Client    string          `json:"client"`
	Shutdowns int             `json:"shutdowns"`
	Held      tracer.Duration `json:"held_us"`
	Longest
}

type versionCounts struct {
	Name   string `json:"name"`
	All    int    `json:"all"`
	Killed int    `json:"killed"`
}

// comparable is the result without what is not the same in each search.
func (r *result) comparable() result {
	c := *r
	c.Search.Answers, c.Search.Bytes = 0, 0
	return c
}

// found is what the traces say, one by one.
type found struct {
	result
	traces, spans int
	largest       int // spans of one trace
}

// readBack reads each trace that was sent: it is there, with all of its spans, and says
// what its process said.
func readBack(t *testing.T, j *jaegerd.Server, dead []string, reports []*tracer.Report) *found {
	t.Helper()
	f := &found{}
	f.Complete = true
	for _, id := range dead {
		f.add(f.trace(t, j, id))
	}
	for _, want := range reports {
		got := f.trace(t, j, want.TraceID)
		if n := len(want.Spans.Lost); n > 0 {
			t.Errorf("%s: lost %v of %d spans", want.TraceID, want.Spans.Lost, want.Spans.Sent)
		} else if got.Spans.Sent != want.Spans.Sent+want.Spans.Spooled ||
			got.Outcome != want.Outcome || got.Verdict != want.Verdict {
			t.Errorf("%s: %d spans, %s: %s\nwas sent as %d spans, %s: %s", want.TraceID, got.Spans.Sent,
				got.Outcome, got.Verdict, want.Spans.Sent, want.Outcome, want.Verdict)
		}
		f.add(got)
	}
	slices.SortFunc(f.Culprits, func(a, b culprit) int {
		return cmp.Or(cmp.Compare(b.Held, a.Held), cmp.Compare(b.Shutdowns, a.Shutdowns))
	})
	slices.SortFunc(f.Versions, func(a, b versionCounts) int {
		return cmp.Or(cmp.Compare(b.All, a.All), strings.Compare(a.Name, b.Name))
	})
	return f
}

func (f *found) trace(t *testing.T, j *jaegerd.Server, id string) *tracer.Report {
	t.Helper()
	answer, err := j.Answer(t.Context(), "/api/v3/traces/"+id)
	if err != nil {
		t.Fatalf("%s is lost: %v", id, err)
	}
	list, err := tracer.ReadReports(bytes.NewReader(answer))
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %d reports, %v", id, len(list), err)
	}
	f.traces++
	f.spans += list[0].Spans.Sent
	f.largest = max(f.largest, list[0].Spans.Sent)
	return list[0]
}

// add counts a shutdown, in the simplest way.
func (f *found) add(r *tracer.Report) {
	f.Counts.All++
	switch r.Outcome {
	case tracer.OutcomeGraceful:
		f.Counts.Graceful++
	case tracer.OutcomeForced:
		f.Counts.Forced++
	case tracer.OutcomeKilled:
		f.Counts.Killed++
	}
	for _, n := range r.RPCsCut {
		f.Counts.RPCsCut += n
	}
	f.version(r)
	f.Duration.Max = max(f.Duration.Max, r.Duration)
	in := make(map[int]bool)
	for _, p := range r.Phases {
		f.phase(&p)
		if p.Culprit != nil {
			if i := f.culprit(p.Culprit); !in[i] {
				in[i] = true
				f.Culprits[i].Shutdowns++
			}
		}
	}
}

func (f *found) version(r *tracer.Report) {
	i := slices.IndexFunc(f.Versions, func(v versionCounts) bool { return v.Name == r.ServiceVersion })
	if i < 0 {
		i = len(f.Versions)
		f.Versions = append(f.Versions, versionCounts{Name: r.ServiceVersion})
	}
	f.Versions[i].All++
	if r.Outcome == tracer.OutcomeKilled {
		f.Versions[i].Killed++
	}
}

func (f *found) phase(p *tracer.PhaseReport) {
	i := slices.IndexFunc(f.Phases, func(q phase) bool { return q.Name == string(p.Name) })
	if i < 0 {
		i = len(f.Phases)
		f.Phases = append(f.Phases, phase{Name: string(p.Name)})
	}
	f.Phases[i].Shutdowns++
	f.Phases[i].Max = max(f.Phases[i].Max, p.Duration)
}

// culprit returns its place.
func (f *found) culprit(h *tracer.Holder) int {
	c := culprit{Kind: string(h.Kind), State: h.State, Method: h.Method, Client: h.UserAgent}
	if c.Client == "" {
		c.Client, _, _ = net.SplitHostPort(h.Peer)
	}
	i := slices.IndexFunc(f.Culprits, func(d culprit) bool {
		return d.Kind == c.Kind && d.State == c.State && d.Method == c.Method && d.Client == c.Client
	})
	if i < 0 {
		i = len(f.Culprits)
		f.Culprits = append(f.Culprits, c)
	}
	f.Culprits[i].Held += h.Held
	f.Culprits[i].Max = max(f.Culprits[i].Max, h.Held)
	return i
}
