// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	// queueSpans holds a whole shutdown (1,500 spans, 400 of progress) with
	// slack: nothing need be sent for nothing to be lost.
	queueSpans = 2560
	// batchBytes keeps a request under the 4 MiB that a collector refuses.
	batchBytes = 3 << 20
)

var errTimeout = errors.New("no answer before the flush had to end")

// queue holds the spans that wait, and the account of all. At any time
//
//	emitted = sent + lost + waiting + in flight
//
// and once it is settled the last two are zero for good.
type queue struct {
	wake chan struct{} // capacity 1: something was pushed, or it was closed

	mu      sync.Mutex // guards following
	spans   []sdktrace.ReadOnlySpan
	closed  bool // Flush was called: nothing more is taken
	settled bool // the rest has been given up: later news do not count
	emitted int
	sent    int
	lost    map[string]int
	err     error
	why     string    // the reason if the rest is given up, empty: time is over
	whyErr  error     // what stands behind why
	gone    time.Time // since when the collector is away, zero: it is not
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1), lost: make(map[string]int)}
}

func (q *queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// push never blocks. What it cannot take it counts.
func (q *queue) push(s sdktrace.ReadOnlySpan) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.emitted++
	switch {
	case q.closed, q.settled:
		q.lost[lostAfterFlush]++
	case len(q.spans) >= queueSpans:
		q.lost[lostQueueFull]++
	default:
		q.spans = append(q.spans, s)
		q.notify()
	}
}

// drop counts a span that never got as far as push.
func (q *queue) drop(reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.emitted++
	q.lost[reason]++
}

// close reports whether this call did it.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	q.notify()
	return true
}

// take removes the oldest spans, at least one and otherwise up to batchBytes.
// It returns nothing and true when there will be nothing any more.
func (q *queue) take() (batch []sdktrace.ReadOnlySpan, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := 0
	n := 0
	for n < len(q.spans) {
		if n == 0 {
			size = resourceSize(q.spans[0])
		}
		size += spanSize(q.spans[n])
		if n > 0 && size > batchBytes {
			break
		}
		n++
	}
	batch = q.spans[:n:n]
	q.spans = q.spans[n:]
	return batch, n == 0 && q.closed
}

// idle reports whether nothing waits and nothing is in flight.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	done := q.sent
	for _, n := range q.lost {
		done += n
	}
	return done == q.emitted
}

// count settles a batch of n spans, of which lost did not arrive.
func (q *queue) count(n, lost int, reason string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settled {
		return
	}
	q.sent += n - lost
	if lost > 0 {
		q.lost[reason] += lost
		q.err = err
	}
	q.why, q.whyErr = "", nil
}

// expect says why the rest would be lost if it were given up now.
func (q *queue) expect(reason string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.why, q.whyErr = reason, err
}

// settle gives up all that is not counted yet, waiting or in flight: as
// expected, or because the time is over.
func (q *queue) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settled {
		return
	}
	q.settled = true
	q.spans = nil
	reason, err := q.why, q.whyErr
	if reason == "" {
		reason, err = lostTimeout, errTimeout
	}
	rest := q.emitted - q.sent
	for _, n := range q.lost {
		rest -= n
	}
	if rest > 0 {
		q.lost[reason] += rest
		q.err = err
	}
}

// away notes since when the collector is away; back that it answered.
func (q *queue) away(since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone.IsZero() && !q.settled {
		q.gone = since
	}
}

func (q *queue) back() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.settled {
		q.gone = time.Time{}
	}
}

func (q *queue) result(opened time.Time) Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := Result{Sent: q.sent, Err: q.err}
	if len(q.lost) > 0 {
		r.Lost = maps.Clone(q.lost)
	}
	if !q.gone.IsZero() {
		r.GoneAt = max(q.gone.Sub(opened), 1)
	}
	return r
}

// spanSize is an estimate, from above, of a span's OTLP form: fixed fields
// and their tags take under 100 bytes, a link 40, a key and value 20 more than
// their text.
func spanSize(s sdktrace.ReadOnlySpan) int {
	n := 128 + len(s.Name()) + len(s.Status().Description) + len(s.SpanContext().TraceState().String())
	n += attrsSize(s.Attributes())
	for _, l := range s.Links() {
		n += 64 + attrsSize(l.Attributes)
	}
	return n
}

// resourceSize is paid once a batch, for the resource and the scope.
func resourceSize(s sdktrace.ReadOnlySpan) int {
	return 256 + attrsSize(s.Resource().Attributes())
}

func attrsSize(attrs []attribute.KeyValue) int {
	n := 0
	for _, kv := range attrs {
		n += 24 + len(kv.Key) + valueSize(kv.Value)
	}
	return n
}

func valueSize(v attribute.Value) int {
	switch v.Type() {
	case attribute.STRING:
		return len(v.AsString())
	case attribute.BOOL, attribute.INT64, attribute.FLOAT64:
		return 10
	case attribute.BOOLSLICE:
		return 16 * len(v.AsBoolSlice())
	case attribute.INT64SLICE:
		return 16 * len(v.AsInt64Slice())
	case attribute.FLOAT64SLICE:
		return 16 * len(v.AsFloat64Slice())
	case attribute.STRINGSLICE:
		n := 0
		for _, s := range v.AsStringSlice() {
			n += 8 + len(s)
		}
		return n
	}
	return 4 * len(fmt.Sprint(v.AsInterface())) // kinds that v1.35 has not
}
