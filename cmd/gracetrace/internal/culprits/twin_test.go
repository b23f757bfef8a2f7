// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gracetrace/gracetrace/tracer"
)

// TestTwin: whatever the windows are that the time is cut into, the sums are those of
// a twin that knows the shutdowns themselves.
func TestTwin(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 4))
		runs := crowd(rnd, 1+rnd.IntN(400))
		f := newFake(t, runs...)
		f.modern = seed%2 == 0
		if seed%5 == 0 {
			f.most = 30 // and so it says
		}
		q := f.query(t)
		q.From = noon.Add(-time.Duration(rnd.IntN(3600)) * time.Second)
		got, want := collect(t, q), twin(runs, q)
		opts := gocmp.Options{
			cmpopts.IgnoreFields(Result{}, "Notes", "Search", "shown"), cmpopts.EquateEmpty(),
			cmpopts.IgnoreFields(Worst{}, "URL", "SpanID"),
			gocmp.Comparer(func(a, b tracer.Duration) bool {
				return max(a-b, b-a) <= min(a, b)/1000+999 // ns; a bucket, and a microsecond
			}),
		}
		if diff := gocmp.Diff(want, got, opts); diff != "" {
			t.Fatalf("seed %d, %d runs (-twin +got):\n%s", seed, len(runs), diff)
		}
	}
}

// crowd makes shutdowns of which many begin together.
func crowd(rnd *rand.Rand, n int) (runs []*run) {
	holders := []*held{watching, chatting, probing, nil}
	at := noon.Add(-59 * time.Minute)
	for i := range n {
		if rnd.IntN(4) == 0 {
			at = at.Add(time.Duration(rnd.Int64N(int64(3*time.Hour) / int64(n))))
		}
		at = at.Add(time.Duration(rnd.IntN(3)) * time.Microsecond)
		r := &run{
			id: fmt.Sprintf("%016x%016x", rnd.Uint64(), i+1), service: "greeter", start: at,
			outcome: []string{"graceful", "graceful", "forced", "killed", "recovered"}[rnd.IntN(5)],
			version: fmt.Sprint(rnd.IntN(3)), cut: rnd.IntN(3), scramble: rnd.IntN(2) == 0,
		}
		if rnd.IntN(20) == 0 {
			r.service = "shop"
		}
		for _, name := range []string{"quit", "handshake wait", "conn wait"} {
			took := time.Duration(math.Exp(rnd.Float64()*math.Log(25e6))) * time.Microsecond
			r.phases = append(r.phases, phase{name, took, holders[rnd.IntN(len(holders))]})
		}
		runs = append(runs, r)
	}
	rnd.Shuffle(n, func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
	return runs
}

// twin adds up what is known of the runs, the simplest way.
func twin(runs []*run, q *Query) *Result {
	r := &Result{
		Version: 1, Service: q.Service, From: q.From, To: q.To, Complete: true,
	}
	took, versions := []time.Duration{}, map[string][]time.Duration{}
	phases, open := map[string][]time.Duration{}, map[string]int{}
	counts, vcounts, vopen := &r.Counts, map[string]*Counts{}, map[string]int{}
	who := map[Who]*Culprit{}
	for _, run := range runs {
		first := run.start.Add(time.Microsecond)
		if run.service != q.Service || first.Before(q.From) || !first.Before(q.To) {
			continue
		}
		v := run.version
		if vcounts[v] == nil {
			vcounts[v] = &Counts{}
		}
		running := run.outcome == "killed" && q.Now.Sub(run.start.Add(run.took())) <= time.Minute
		for _, c := range []*Counts{counts, vcounts[v]} {
			c.All++
			switch {
			case running:
				c.Running++
				continue
			case run.outcome == "graceful":
				c.Graceful++
			case run.outcome == "forced":
				c.Forced++
			default:
				c.Killed++
			}
			if run.outcome != "killed" {
				c.RPCsCut += run.cut
			}
		}
		if running {
			continue
		}
		took, versions[v] = append(took, run.took()), append(versions[v], run.took())
		if run.outcome == "killed" || run.outcome == "recovered" {
			r.Duration.Open++
			vopen[v]++
		}
		in := map[Who]bool{}
		for i, p := range run.phases {
			phases[p.name] = append(phases[p.name], p.took)
			if run.outcome == "killed" && i == len(run.phases)-1 {
				open[p.name]++
			}
			if p.by == nil {
				continue
			}
			w := Who{
				Kind: p.by.kind, State: p.by.state, Method: p.by.method,
				Client: cmp.Or(p.by.agent, p.by.peer),
			}
			c := who[w]
			if c == nil {
				c = &Culprit{Who: w}
				who[w] = c
			}
			if !in[w] {
				in[w] = true
				c.Shutdowns++
			}
			c.Held += tracer.Duration(p.took)
			if !slices.Contains(c.Phases, p.name) {
				c.Phases = append(c.Phases, p.name)
			}
			d := tracer.Duration(p.took)
			if d > c.Max || d == c.Max && run.id < c.Worst.TraceID {
				c.Max, c.Worst = d, Worst{TraceID: run.id, Held: d}
			}
		}
	}
	r.Duration = exact(took, r.Duration.Open)
	for _, name := range []string{"quit", "handshake wait", "conn wait"} {
		if phases[name] != nil {
			r.Phases = append(r.Phases, Phase{Name: name, Times: exact(phases[name], open[name])})
		}
	}
	for _, c := range who {
		slices.Sort(c.Phases)
		r.Culprits = append(r.Culprits, *c)
	}
	slices.SortFunc(r.Culprits, func(a, b Culprit) int {
		return cmp.Or(cmp.Compare(b.Held, a.Held), cmp.Compare(b.Shutdowns, a.Shutdowns))
	})
	for name, c := range vcounts {
		v := Version{Name: name, Counts: *c, Duration: exact(versions[name], vopen[name])}
		r.Versions = append(r.Versions, v)
	}
	slices.SortFunc(r.Versions, func(a, b Version) int {
		return cmp.Or(cmp.Compare(b.All, a.All), cmp.Compare(a.Name, b.Name))
	})
	return r
}

// exact has the quantiles of a sorted list.
func exact(list []time.Duration, open int) Times {
	slices.Sort(list)
	t := Times{Shutdowns: len(list), Open: open}
	if n := len(list); n > 0 {
		rank := func(share float64) tracer.Duration {
			return tracer.Duration(list[int(math.Ceil(share*float64(n)))-1])
		}
		t.P50, t.P95, t.Max = rank(0.5), rank(0.95), tracer.Duration(list[n-1])
	}
	return t
}
