// SPDX-License-Identifier: Apache-2.0

package tracer

import "fmt"

// soFar is the report of a group that may still stop.
func (g *Group) soFar() *Report {
	if r := g.report(); r != nil {
		return r
	}
	servers := g.serversSoFar()
	g.look()
	g.mu.Lock()
	r := g.reportLocked(g.now(), servers)
	cause := g.cause
	r.Outcome = OutcomeRunning
	r.JaegerURL = g.jaegerURLLocked(r) // of the member that still stops
	g.mu.Unlock()
	r.Verdict = groupVerdictSoFar(r)
	if cause != "" {
		r.Verdict += "; it is stopped because " + cause
	}
	return r
}

// serversSoFar are the reports so far of the grpc servers whose stops are not over.
// g.mu must not be held: a look may take its time, and keeps nobody.
func (g *Group) serversSoFar() map[*Member]*Report {
	g.mu.Lock()
	servers := make(map[*Member]*Shutdown)
	for _, m := range g.members {
		if m.server != nil && m.report == nil {
			servers[m] = m.server
		}
	}
	g.mu.Unlock()
	reports := make(map[*Member]*Report, len(servers))
	for m, s := range servers {
		reports[m] = s.soFar()
	}
	return reports
}

// groupVerdictSoFar says what a group waits for.
func groupVerdictSoFar(r *Report) string {
	main, open := r.mainMember(), 0
	for _, m := range r.Members {
		if m.Outcome == OutcomeRunning {
			open++
		}
	}
	if main == nil {
		return fmt.Sprintf("after %s no member is being stopped", r.Duration)
	}
	return heldBy(main.Member.Name, main.Verdict, open-1)
}
