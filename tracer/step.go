// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// step is a part of the shutdown around grpc's own stop. It is guarded by
// Shutdown.mu.
type step struct {
	phase      Phase
	start, end watch.Instant
	left       [2]Left // at its start and its end
	parts      []*part
}

// part is one of the things that a step does at the same time.
type part struct {
	name       string
	start, end watch.Instant
	err        string
}

// Step begins a phase around grpc's stop: PhaseNotServing or PhaseLameDuck before
// [Shutdown.Called], PhaseAppFlush after [Shutdown.Returned]. They do not overlap.
// done ends it.
func (s *Shutdown) Step(p Phase) (done func()) {
	st := &step{phase: p}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.isAfter() && s.returned == 0 {
		s.gaveUp = s.t.table.Now()
	}
	s.steps = append(s.steps, st)
	st.start, st.left[0] = s.t.table.Now(), s.leftNow()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.endStep(st, s.t.table.Now())
	}
}

// endStep ends a step that lasts. s.mu must be held.
func (s *Shutdown) endStep(st *step, now watch.Instant) {
	if st.end == 0 {
		st.end, st.left[1] = now, s.leftNow()
	}
}

// Part begins one of the things that the last step does at the same time; name is
// the application's. done ends it, with the error that came of it.
func (s *Shutdown) Part(name string) (done func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.steps) == 0 {
		return func(error) {}
	}
	st := s.steps[len(s.steps)-1]
	p := &part{name: clean(name), start: s.t.table.Now()}
	st.parts = append(st.parts, p)
	return func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if p.end != 0 {
			return
		}
		if p.end = s.t.table.Now(); err != nil {
			p.err = clean(err.Error())
		}
	}
}

// leftNow counts without a look at each connection.
func (s *Shutdown) leftNow() Left {
	var n Left
	n.Connections, n.RPCs = s.t.table.Left()
	return n
}

// stepLine is a step's place in a timeline.
type stepLine struct {
	phaseLine
	left  [2]Left
	parts []partLine
}

type partLine struct {
	name       string
	start, end time.Duration
	err        string
}

// stepLines are the steps by now. s.mu must be held.
func (s *Shutdown) stepLines(b *builder) []stepLine {
	var lines []stepLine
	for _, st := range s.steps {
		l := stepLine{phaseLine{st.phase, b.since(st.start), b.since(st.end)}, st.left, nil}
		for _, p := range st.parts {
			l.parts = append(l.parts, partLine{p.name, b.since(p.start), b.since(p.end), p.err})
		}
		lines = append(lines, l)
	}
	return lines
}

// isAfter says that a phase comes after grpc's stop.
func (p Phase) isAfter() bool { return p == PhaseAppFlush }

// isBefore says that a phase comes before grpc's stop.
func (p Phase) isBefore() bool { return p == PhaseNotServing || p == PhaseLameDuck }

// stepsOf returns the lines of the steps before grpc's stop, or after it.
func (tl *timeline) stepsOf(is func(Phase) bool) []phaseLine {
	var lines []phaseLine
	for _, s := range tl.steps {
		if is(s.phase) {
			lines = append(lines, s.phaseLine)
		}
	}
	return lines
}

// stepAt is the step that a line stands for; nil: it is one of grpc's phases.
func (tl *timeline) stepAt(l phaseLine) *stepLine {
	at := slices.IndexFunc(tl.steps, func(s stepLine) bool { return s.phase == l.phase })
	if at < 0 {
		return nil
	}
	return &tl.steps[at]
}

// flushes are what the application's own flush consists of.
func (tl *timeline) flushes(p phaseLine) (hs []holder) {
	st := tl.stepAt(p)
	if st == nil {
		return nil
	}
	for i, f := range st.parts {
		h := holder{
			name: "flush " + f.name, key: holderKey{HolderFlush, uint64(i), ""}, blame: -1,
		}
		tl.place(&h, p, f.start, f.end)
		h.Kind, h.Age = HolderFlush, h.Held
		h.Name = f.name
		switch {
		case f.err != "":
			h.Detail = "failed: " + f.err
		case h.Open:
			h.Detail = fmt.Sprintf("has not returned for %s", h.Held)
		default:
			h.Detail = fmt.Sprintf("took %s", h.Held)
		}
		hs = append(hs, h)
	}
	return hs
}

// running reports whether grpc's call or what comes after it has not ended.
func (tl *timeline) running() bool {
	return tl.returned > tl.now || slices.ContainsFunc(tl.steps, func(s stepLine) bool {
		return s.end > tl.now
	})
}

// lastOf is the place of the last of grpc's own phases.
func (tl *timeline) lastOf(views []phaseView) int {
	last := len(views) - 1
	for last > 0 && views[last].phase.isAfter() {
		last--
	}
	return last
}

// leftOpen reports whether a phase is the one in which the call was given up.
func (tl *timeline) leftOpen(views []phaseView, i int) bool {
	return tl.abandoned && i == tl.lastOf(views)
}

// over is when the shutdown was over, as far as it is: grpc's call had returned,
// and what comes after it had ended.
func (tl *timeline) over() time.Duration {
	end := tl.returned
	for _, l := range tl.stepsOf(Phase.isAfter) {
		end = max(end, min(l.end, tl.now))
	}
	return end
}

// fromStart counts a time from the start of the shutdown instead of grpc's call.
func (tl *timeline) fromStart(d time.Duration) time.Duration { return tl.lead + d }

// arrivals counts the connections that came after the start and before grpc's
// stop was called.
type arrivals struct {
	before, after uint64 // accepted by then; after is zero until the call
	last          watch.Instant
}

func (a *arrivals) begin(t *watch.Server) { a.before, _ = t.Accepted() }

func (a *arrivals) end(t *watch.Server) { a.after, a.last = t.Accepted() }

// until is what is known of them by now.
func (a *arrivals) until(t *watch.Server, start watch.Instant) arrivalsLine {
	now := *a
	if now.after == 0 {
		now.end(t)
	}
	if now.after == now.before {
		return arrivalsLine{}
	}
	return arrivalsLine{int(now.after - now.before), time.Duration(now.last - start)} //nolint:gosec // few
}

// arrivalsLine is the same in a timeline.
type arrivalsLine struct {
	n    int
	last time.Duration // the last one, from the start
}
