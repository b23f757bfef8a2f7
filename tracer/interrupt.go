// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// interruption is a second signal. It is guarded by Shutdown.mu.
type interruption struct {
	signal string
	at     watch.Instant
}

// Interrupted is called when the process is about to exit because of a second
// signal, such as SIGINT, and [Shutdown.Finish] right after it, which then reports
// what held at that moment: the outcome is forced, RPCs that are still open are
// counted as cut, by the exit. It looks at the goroutines as a forced stop does,
// which takes half a second at most. Calls after the first do nothing.
func (s *Shutdown) Interrupted(signal string) {
	now := s.t.table.Now()
	s.mu.Lock()
	first := s.interrupted.at == 0
	if first {
		s.interrupted = interruption{clean(signal), now}
	}
	s.mu.Unlock()
	if first {
		s.guard(s.lookBeforeForce)
	}
}

// exitLine is the second signal in a timeline.
type exitLine struct {
	signal string // empty: there was none
	at     time.Duration
}

// line is the interruption in a timeline. s.mu must be held.
func (i *interruption) line(b *builder) exitLine {
	if i.at == 0 {
		return exitLine{}
	}
	return exitLine{i.signal, b.since(i.at)}
}

// exits reports whether a second signal ends the process, and the stop with it.
func (tl *timeline) exits() bool { return tl.exit != exitLine{} }

// breakOff ends the steps that last: nobody will see their end.
func (tl *timeline) breakOff() {
	for i := range tl.steps {
		tl.steps[i].end = min(tl.steps[i].end, tl.now)
	}
}

// cutByExit counts by method the RPCs that are still open when the process exits.
func (tl *timeline) cutByExit() map[string]int {
	if !tl.exits() {
		return nil
	}
	return tl.countRPCs(tl.cutsAtExit)
}

func (tl *timeline) cutsAtExit(r *rpcLine) bool {
	return tl.exits() && r.begin <= tl.now && min(r.end, tl.freed(r)) > tl.now
}

// endingExit says that the process has not waited for the stop's end. main is nil
// if nothing held the shutdown.
func (tl *timeline) endingExit(main *phaseView) string {
	s := "; exited on a second signal"
	if tl.exit.signal != "" {
		s += " (" + tl.exit.signal + ")"
	}
	s += " after " + Duration(tl.fromStart(tl.exit.at)).String()
	methods := tl.cutByExit()
	n := cutTotal(methods)
	if n == 0 {
		return s
	}
	s += fmt.Sprintf(", cutting %s", amount(n, "RPC"))
	if n > 1 || !main.blamesRPC(methods, true) {
		s += " (" + cutMethods(methods) + ")"
	}
	return s
}
