// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// TestCrowdIsSecuredBeforeItIsCut: handlers that end by the thousand leave no
// processor to look at them. What held the stop is with the collector before that,
// and the report is there in time.
func TestCrowdIsSecuredBeforeItIsCut(t *testing.T) { synctest.Test(t, testCrowdIsSecured) }

func testCrowdIsSecured(t *testing.T) {
	const conns, streams = 100, manyHolders / 100
	tr, k := newTestTracer(t)
	drain := tableOf(tr, conns, streams)
	busy, resolve := make(chan struct{}), tr.Table().Resolve
	tr.Table().Resolve = func(ctx context.Context) watch.Caller {
		if ctx == t.Context() {
			<-busy
		}
		return resolve(ctx)
	}
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	drain()
	time.Sleep(2 * time.Second)
	if held := s.Forced(); len(held) != maxBars {
		t.Errorf("%d hold it, want the longest %d", len(held), maxBars)
	}
	rpcs := k.named("rpc Greeter/Chat")
	if rpcs < maxRPCSpans-keptForHandlers || k.named(string(PhaseConnWait)) != 1 {
		t.Fatalf("before they were cut the collector had %d RPCs and %d conn waits",
			rpcs, k.named(string(PhaseConnWait)))
	}

	// From now on a look takes longer than there is time.
	tr.Table().BeginStream(t.Context(), chat, &watch.RPC{}, &watch.Messages{})
	defer close(busy)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	r := s.Finish(ctx)
	if ctx.Err() != nil {
		t.Error("Finish took all of its time")
	}

	for _, want := range []string{
		"conn wait took", "rpc greeter.v1.Greeter/Chat", "cutting 10000 RPCs",
		"what it left behind was not seen, for want of time",
	} {
		if !strings.Contains(r.Verdict, want) {
			t.Errorf("the verdict does not say %q: %s", want, r.Verdict)
		}
	}
	if r.Outcome != OutcomeForced || r.RPCsCut["greeter.v1.Greeter/Chat"] != conns*streams {
		t.Errorf("%s, cut %v", r.Outcome, r.RPCsCut)
	}
	wait := r.Phases[len(r.Phases)-2]
	if wait.Name != PhaseConnWait || wait.LeftAtEnd.RPCs != conns*streams {
		t.Errorf("%s left %+v, want all RPCs", wait.Name, wait.LeftAtEnd)
	}
	if len(r.Spans.Lost) > 0 || k.named(spanRoot) != 1 || k.named("rpc Greeter/Chat") != rpcs ||
		k.named(string(PhaseConnWait)) != 1 || k.named(string(PhaseForcedStop)) != 1 {
		t.Errorf("lost %v; %d roots, %d RPCs, %d conn waits, %d forced stops", r.Spans.Lost,
			k.named(spanRoot), k.named("rpc Greeter/Chat"), k.named(string(PhaseConnWait)),
			k.named(string(PhaseForcedStop)))
	}
}

// TestFewAreNotSecured: what they did when they were cut is worth waiting for.
func TestFewAreNotSecured(t *testing.T) {
	tr, k := newTestTracer(t)
	drain := tableOf(tr, 1, 1)
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	defer s.Finish(t.Context())
	drain()
	s.Forced()
	if n := k.named("rpc Greeter/Chat"); n > 0 {
		t.Errorf("%d RPCs were sent before the end", n)
	}
}
