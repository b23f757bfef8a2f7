// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/stack"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// stopping is a Shutdown in which one RPC is in flight.
func stopping(t *testing.T) (s *Shutdown, r *watch.RPC) {
	t.Helper()
	tr, err := New(t.Context(), WithLogger(slog.New(slog.DiscardHandler)), WithExporter((&sink{}).factory))
	if err != nil {
		t.Fatal(err)
	}
	r = tr.Table().Begin(context.Background(), sayHello)
	s, _ = tr.BeginShutdown(Call{Graceful: true})
	t.Cleanup(func() {
		s.Finish(context.Background())
		tr.Table().End(r)
		tr.Close()
	})
	return s, r
}

// TestTooManyGoroutines: above the limit none is dumped, and it is said.
func TestTooManyGoroutines(t *testing.T) {
	var all sync.WaitGroup
	gate := make(chan struct{})
	for range stack.MaxGoroutines + 1 {
		all.Go(func() { <-gate })
	}
	defer all.Wait()
	defer close(gate)
	s, _ := stopping(t)
	s.look(dumpLimit)
	d := s.timeline().dumps
	if len(d) != 1 || d[0].rpcs != nil ||
		!strings.HasPrefix(d[0].skipped, "20,0") || !strings.HasSuffix(d[0].skipped, " goroutines, more than 20,000") {
		t.Errorf("dumps %+v, want one that was skipped", d)
	}
}

// TestDumpBeforeForceHasABudget: a dump stops the world, and the forced stop must
// still come in time.
func TestDumpBeforeForceHasABudget(t *testing.T) {
	s, _ := stopping(t)
	s.mu.Lock()
	s.call.Budget = stallShare * stallPer // time for one goroutine
	s.mu.Unlock()
	s.lookBeforeForce()
	if d := s.timeline().dumps; len(d) != 1 || !strings.HasSuffix(d[0].skipped, "more than 1") {
		t.Errorf("dumps %+v, want one that was skipped", d)
	}
	s.look(dumpLimit)
	s.lookBeforeForce()
	if d := s.timeline().dumps; len(d) != 2 || d[1].skipped != "" {
		t.Errorf("dumps %+v: one that tells nothing must not hide one that does", d)
	}
}

// TestFill: a handler whose RPC is not certain is told by its method only.
func TestFill(t *testing.T) {
	at := func(f string) stack.Stack {
		return stack.Stack{Function: "main." + f, Source: f + ".go:1", Text: f}
	}
	s, r := stopping(t)
	ids := addresses(s.t.table.Entries(s.t.table.Now()))
	if later := s.t.table.Entries(s.builder.call - watch.Instant(sec)); len(later) != 0 {
		t.Errorf("entries of RPCs that had not begun: %v", later)
	}
	id := s.t.table.Entries(s.t.table.Now())[r]
	var d dump
	d.fill(stack.Reading{
		Handlers: []stack.Handler{
			{Stack: at("known"), Entry: fmt.Sprintf("%p", r)},
			{Stack: at("gone"), Entry: "0xc0ffee"},
			{Stack: at("loose"), Method: "Greeter_SayHello"},
			{Stack: at("loose"), Method: "Greeter_SayHello"},
		},
		Hooks: []stack.Hook{
			{Stack: at("tap"), Kind: stack.HookTap}, {Stack: at("stats"), Kind: stack.HookStats},
			{Stack: at("tap"), Kind: stack.HookTap},
		},
		Stop: stack.StopInDrain,
	}, ids)
	tl := unfinishedAt(4*sec, func(tl *timeline) { tl.dumps = append(tl.dumps, d) })
	tl.rpcs = append(tl.rpcs, rpcLine{id: id, method: sayHello, begin: -sec, end: never, conn: -1})
	want := []Stack{
		{Function: "main.stats", Source: "stats.go:1", Handlers: 1, Text: "stats"},
		{Function: "main.tap", Source: "tap.go:1", Handlers: 2, Text: "tap"},
		{Method: sayHello.Name, Function: "main.known", Source: "known.go:1", Handlers: 1, Text: "known"},
		{Method: sayHello.Name, Function: "main.loose", Source: "loose.go:1", Handlers: 2, Text: "loose"},
	}
	list, places := tl.stacks()
	if diff := cmp.Diff(map[uint64]int{id: 3}, places); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Errorf("stacks (-want +got):\n%s", diff)
	}
	if tl.dumps[0].stop != stopInDrain || tl.dumps[0].hooks[0].hook != stateTapHandle {
		t.Errorf("stop %q, hook %q", tl.dumps[0].stop, tl.dumps[0].hooks[0].hook)
	}
}

// TestBarsHaveStacks: a report's bars say which of its stacks is theirs.
func TestBarsHaveStacks(t *testing.T) {
	tl := unfinishedAt(9*sec, oneListener, conn(told(0)), stream(-sec, never, inRecv(9*sec)),
		unary(-sec, never))
	dumpAt3s(inMain(tl.rpcs[1].id), inHook(stateTapHandle, 1))(tl)
	r := tl.report(tl.views(), call)
	got := make(map[string]string) // by where it is, where its stack is
	for _, p := range r.Phases {
		collectStacks(p.Bars, r.Stacks, got)
	}
	want := map[string]string{
		"connection": "", "rpc Greeter/Chat": "", "rpc Greeter/SayHello": "main.greet",
		"user hook": "main.slow",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func collectStacks(bars []Bar, stacks []Stack, got map[string]string) {
	for _, b := range bars {
		got[b.Name] = ""
		if b.Stack > 0 {
			got[b.Name] = stacks[b.Stack-1].Function
		}
		collectStacks(b.Bars, stacks, got)
	}
}

// TestSameWords: what package stack finds is told in the words of the model.
func TestSameWords(t *testing.T) {
	for hook, state := range map[stack.HookKind]string{
		stack.HookTap: stateTapHandle, stack.HookStats: stateStatsHandler,
		stack.HookCredentials: stateCredentials, stack.HookCallback: stateCallback,
		stack.HookInterceptor: stateOuterInterceptor,
	} {
		if string(hook) != state {
			t.Errorf("%q and %q", hook, state)
		}
	}
	for place, frame := range map[stack.StopPlace]stopFrame{
		stack.StopInCond: stopInCond, stack.StopInWait: stopInWait, stack.StopInDrain: stopInDrain,
		stack.StopInMutex: stopInMutex, stack.StopInUser: stopInUser, stack.StopUnknown: stopUnknown,
	} {
		if stopFrame(place) != frame {
			t.Errorf("%q and %q", place, frame)
		}
	}
}

// TestStacksOnSpans: a trace has room for so many.
func TestStacksOnSpans(t *testing.T) {
	text := strings.Repeat("x", 4<<10)
	n := 0
	for _, sp := range finished(t, manyAt(t, text)) {
		if _, ok := attrsOf(sp)[keyStacktrace]; ok {
			n++
		}
	}
	if want := maxStackBytes / len(text); n != want {
		t.Errorf("%d spans have a stack, want %d", n, want)
	}
}

// manyAt is a stop with many RPCs on a connection, all in the same place.
func manyAt(t *testing.T, text string) *timeline {
	t.Helper()
	changes := []change{oneListener, conn(told(0), goneAt(5*sec))}
	for range 400 {
		changes = append(changes, unary(-sec, 5*sec))
	}
	return returnedAt(5*sec, append(changes, func(tl *timeline) {
		d := dump{began: 3 * sec, at: 3 * sec, rpcs: make(map[uint64]stackLine)}
		for i := range tl.rpcs {
			d.rpcs[tl.rpcs[i].id] = stackLine{function: "main.f", source: "f.go:1", text: text}
		}
		tl.dumps = append(tl.dumps, d)
	})...)
}
