// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// phaseServeHTTP is a wait of package server's, right after the call: grpc's own
// stop is not made before the RPCs have ended that came through ServeHTTP, for it
// would cut them. Where none was there it has no such phase.
const phaseServeHTTP Phase = "ServeHTTP wait"

// transportHTTP marks an RPC that came through ServeHTTP.
const transportHTTP = "servehttp"

// httpWait is what is known of it. It is guarded by Shutdown.mu.
type httpWait struct {
	begun      bool
	ended, cut watch.Instant
}

// AwaitHTTP is called after [Shutdown.Called] if grpc's stop has to wait for RPCs
// that came through ServeHTTP; done, when it is made.
func (s *Shutdown) AwaitHTTP() (done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http.begun = true
	return func() {
		now := s.t.table.Now()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.http.ended = now
	}
}

// CutHTTP is called right before those that are left are cut, if that is no
// forced stop.
func (s *Shutdown) CutHTTP() {
	now := s.t.table.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.http.cut = now
}

// httpLine is the wait in a timeline.
type httpLine struct {
	awaited bool
	ended   time.Duration // never while it lasts
	cut     time.Duration
}

// cutAt is when package server cut those that were left, without being forced.
func (l *httpLine) cutAt() time.Duration {
	if !l.awaited {
		return never
	}
	return l.cut
}

// line is the wait in a timeline. s.mu must be held.
func (w *httpWait) line(b *builder) httpLine {
	return httpLine{w.begun, b.since(w.ended), b.since(w.cut)}
}

// settleHTTP tells when the transports of RPCs that came through ServeHTTP were
// closed under them. A transport has one RPC, and no GOAWAY.
func (tl *timeline) settleHTTP() {
	if !slices.ContainsFunc(tl.rpcs, func(r rpcLine) bool { return r.http }) {
		return
	}
	stopped := tl.forced
	if !tl.graceful {
		stopped = 0
	}
	stopped = min(stopped, tl.http.cutAt())
	drained := tl.drained()
	for i := range tl.rpcs {
		r := &tl.rpcs[i]
		if !r.http {
			continue
		}
		r.cut = never
		if r.end >= stopped {
			r.cut = max(stopped, r.begin)
		}
		if !r.awaited && r.end > drained {
			r.cut = min(r.cut, max(drained, r.begin))
		}
		if r.cut != never && r.cancelled < 0 && !r.awaited {
			r.cancelled = r.cut // by the drain, before anybody looked
		}
	}
}

// drained is when grpc's drain began, which since grpc-go 1.82 closes ServeHTTP
// transports: https://github.com/grpc/grpc-go/pull/9136. Until then it panics.
func (tl *timeline) drained() time.Duration {
	if !tl.since(release{1, 82, 0}) || !tl.graceful || tl.leading {
		return never
	}
	for _, l := range tl.callPhases() {
		if l.phase == PhaseGoAway {
			return l.start
		}
	}
	return never
}

// cutHTTP counts by method the RPCs that grpc's drain or package server cut
// although nothing was forced.
func (tl *timeline) cutHTTP() map[string]int {
	at := tl.forced
	if !tl.graceful {
		at = 0
	}
	return tl.countRPCs(func(r *rpcLine) bool { return r.http && r.wasCut(tl) && r.cut < at })
}

// wasCut reports whether the transport of an RPC that came through ServeHTTP was
// closed under it.
func (r *rpcLine) wasCut(tl *timeline) bool { return r.cut <= tl.now && r.cancelled >= r.cut }

func (tl *timeline) countRPCs(is func(*rpcLine) bool) map[string]int {
	var n map[string]int
	for i := range tl.rpcs {
		if r := &tl.rpcs[i]; is(r) {
			if n == nil {
				n = make(map[string]int)
			}
			n[r.counted()]++
		}
	}
	return n
}

// endingHTTP says what became of RPCs that came through ServeHTTP.
func (tl *timeline) endingHTTP() string {
	cut := tl.cutHTTP()
	n := cutTotal(cut)
	if n == 0 {
		return ""
	}
	who := "GracefulStop"
	if tl.http.cutAt() != never {
		who = "to tell the other clients, the server"
	}
	return fmt.Sprintf("; %s cut %s that came through ServeHTTP (%s)", who, amount(n, "RPC"), cutMethods(cut))
}

// awaitedHTTP returns the RPCs for which grpc's stop was held back.
func (tl *timeline) awaitedHTTP(p phaseLine) (hs []holder) {
	for i := range tl.rpcs {
		if r := &tl.rpcs[i]; r.awaited {
			if h, ok := tl.rpc(r, p, false); ok {
				hs = append(hs, h)
			}
		}
	}
	return hs
}

// onlyHTTP says that all RPCs that are known came through ServeHTTP.
func (tl *timeline) onlyHTTP() bool {
	return len(tl.rpcs) > 0 && !slices.ContainsFunc(tl.rpcs, func(r rpcLine) bool { return !r.http })
}

// errorType says of a shutdown that was not graceful whether anybody forced it, or
// only RPCs were cut that came through ServeHTTP.
func (tl *timeline) errorType(r *Report) string {
	forced := slices.ContainsFunc(r.Phases, func(p PhaseReport) bool {
		return p.Name == PhaseForcedStop
	})
	if forced || tl.abandoned || tl.exits() || !tl.graceful {
		return string(OutcomeForced)
	}
	return "servehttp_cut"
}
