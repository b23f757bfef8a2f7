// SPDX-License-Identifier: Apache-2.0

package tracertest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// Expectation is what a shutdown must have been like.
type Expectation interface {
	// check returns what was expected and what was, or nothing.
	check(*tracer.Report) (wrong string)
	// valid returns what is wrong with the expectation itself, or nothing.
	valid() (wrong string)
}

// Within expects the whole stop to take no longer than d.
func Within(d time.Duration) Expectation { return within{d} }

type within struct{ d time.Duration }

func (w within) valid() string { return validBudget("Within", w.d) }

func (w within) check(r *tracer.Report) string {
	if time.Duration(r.Duration) <= w.d {
		return ""
	}
	return fmt.Sprintf("want it within %s, it took %s", w.d, time.Duration(r.Duration))
}

// PhaseWithin expects one phase to take no longer than d. A phase that the stop
// did not have took no time.
func PhaseWithin(p tracer.Phase, d time.Duration) Expectation { return phaseWithin{p, d} }

type phaseWithin struct {
	phase tracer.Phase
	d     time.Duration
}

func (w phaseWithin) valid() string {
	if !slices.Contains(phases, w.phase) {
		return fmt.Sprintf("PhaseWithin: there is no phase %q", w.phase)
	}
	return validBudget("PhaseWithin", w.d)
}

// phases are those that a report may have.
var phases = []tracer.Phase{
	tracer.PhaseNotServing, tracer.PhaseLameDuck,
	tracer.PhaseQuit, tracer.PhaseListenerClose, tracer.PhaseHandshakeWait, tracer.PhaseGoAway,
	tracer.PhaseConnWait, tracer.PhaseForcedStop, tracer.PhaseHandlerWait, tracer.PhaseAppFlush,
}

func (w phaseWithin) check(r *tracer.Report) string {
	for _, p := range r.Phases {
		if p.Name == w.phase && time.Duration(p.Duration) > w.d {
			return fmt.Sprintf("want %s within %s, it took %s", w.phase, w.d, time.Duration(p.Duration))
		}
	}
	return ""
}

// Graceful expects the stop to have ended by itself: nothing was forced and
// nothing left behind.
func Graceful() Expectation { return graceful{} }

type graceful struct{}

func (graceful) valid() string { return "" }

func (graceful) check(r *tracer.Report) string {
	if r.Outcome == tracer.OutcomeGraceful {
		return ""
	}
	return fmt.Sprintf("want it graceful, it was %s", r.Outcome)
}

// NoneCut expects no RPC to have been cut. A forced stop may have found none: one
// that ends silent peers, or handlers whose clients have gone.
func NoneCut() Expectation { return noneCut{} }

type noneCut struct{}

func (noneCut) valid() string { return "" }

func (noneCut) check(r *tracer.Report) string {
	if len(r.RPCsCut) == 0 {
		return ""
	}
	var total int
	var methods []string
	for _, m := range slices.Sorted(maps.Keys(r.RPCsCut)) {
		total += r.RPCsCut[m]
		methods = append(methods, fmt.Sprintf("%d of %s", r.RPCsCut[m], m))
	}
	return fmt.Sprintf("want no RPC cut, %d were: %s", total, strings.Join(methods, ", "))
}

func validBudget(name string, d time.Duration) string {
	if d > 0 {
		return ""
	}
	return fmt.Sprintf("%s(%s): must be positive", name, d)
}

// budget is the longest time that any of want allows for the whole; zero: none
// is set.
func budget(want []Expectation) (longest time.Duration) {
	for _, e := range want {
		if w, ok := e.(within); ok {
			longest = max(longest, w.d)
		}
	}
	return longest
}
