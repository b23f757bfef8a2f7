// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestAnExporterOfTheUsersHasOneLane: the SDK promises each that it is never called
// by two at once. (sdktrace.SpanExporter.)
func TestAnExporterOfTheUsersHasOneLane(t *testing.T) {
	var at atomic.Int32
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error {
		if at.Add(1) > 1 {
			t.Error("two calls at once")
		}
		defer at.Add(-1)
		time.Sleep(500 * time.Millisecond)
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		s.Emit(span(1, "a"))
		time.Sleep(time.Second)
		s.Emit(span(2, "b"))
		synctest.Wait()
		s.Emit(span(3, "c"))
		wantResult(t, flushIn(t, s, time.Second), 3, nil)
	})
}

// TestTwoLanesCountOnce: whatever the first lane hears of what the second has sent
// too, each span counts once.
func TestTwoLanesCountOnce(t *testing.T) {
	q := newQueue()
	for n := range 5 {
		q.push(stub(t, n))
	}
	first, _ := q.take(firstLane, batchBytes)
	second := q.takeOver(firstLane, secondLane)
	if len(first.entries) != 5 || len(second.entries) != 5 || second.size != first.size {
		t.Fatalf("taken %d of %d bytes, taken over %d of %d", len(first.entries), first.size,
			len(second.entries), second.size)
	}
	q.back(firstLane) // has nothing any more
	if q.waiting() {
		t.Error("what was taken over was put back")
	}
	q.back(secondLane)
	part, _ := q.take(secondLane, 1)
	q.count(secondLane, part.entries, true, 0, "", nil)
	q.count(firstLane, first.entries, true, 1, lostRejected, errors.New("one too many"))
	if more, _ := q.take(secondLane, batchBytes); len(more.entries) > 0 || !q.idle() {
		t.Errorf("%d spans are left that are counted", len(more.entries))
	}
	q.settle()
	if r := q.result(time.Now()); r.Sent != 5 || r.Lost != nil || r.Err != nil {
		t.Errorf("result %+v, want 5 sent and no error", r)
	}
}

func stub(t *testing.T, n int) sdktrace.ReadOnlySpan {
	t.Helper()
	q := newQueue()
	res, _, err := newResource(nil)
	if err != nil {
		t.Fatal(err)
	}
	sp := span(n, "x")
	sp.record(newProvider(res, q).Tracer("test"))
	return q.spans[0].span
}
