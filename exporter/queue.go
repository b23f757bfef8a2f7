// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
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

	spools []*spooler // get every span, too

	mu      sync.Mutex // guards following
	spans   []*entry
	sending [lanes][]*entry // taken out, and neither counted nor put back
	kept    []*entry        // all of them, if there are spools
	closed  bool            // Flush was called: nothing more is taken
	held    int             // those who push what is to be sent together
	settled bool            // the rest has been given up: later news do not count
	emitted int
	sent    int
	lost    map[string]int
	err     error
	why     string    // the reason if the rest is given up, empty: time is over
	whyErr  error     // what stands behind why
	gone    time.Time // since when the collector is away, zero: it is not
}

// entry is a span, and what became of it.
type entry struct {
	span   sdktrace.ReadOnlySpan
	pushed time.Time
	taken  atomic.Bool  // the collector has decided about it
	kept   atomic.Bool  // a spool has it
	alone  atomic.Int32 // how often it was refused alone while others passed

	// Guarded by queue.mu.
	counted bool
	lost    string // the reason
}

func newQueue(spools ...*spooler) *queue {
	return &queue{wake: make(chan struct{}, 1), lost: make(map[string]int), spools: spools}
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
	if q.closed || q.settled {
		q.lost[lostAfterFlush]++
		return
	}
	e := &entry{span: s, pushed: time.Now()}
	if len(q.spools) > 0 {
		q.kept = append(q.kept, e)
	}
	for _, p := range q.spools {
		p.push(e)
	}
	if len(q.spans) >= queueSpans {
		q.lose(e, lostQueueFull)
		return
	}
	q.spans = append(q.spans, e)
	q.notify()
}

// lose counts an entry. q.mu must be held.
func (q *queue) lose(e *entry, reason string) {
	e.counted, e.lost = true, reason
	q.lost[reason]++
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

// batch is what goes out in one request, in the estimate of [spanSize].
type batch struct {
	entries []*entry
	size    int
}

// hold keeps what is pushed from being taken until it is released.
func (q *queue) hold() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held++
}

func (q *queue) release() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held--
	q.notify()
}

// take removes the oldest spans, at least one and otherwise up to room bytes; none
// while it is held and not closed. It returns nothing and true when there will be
// nothing any more.
func (q *queue) take(lane, room int) (b batch, end bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.held > 0 && !q.closed {
		return batch{}, false
	}
	q.spans = slices.DeleteFunc(q.spans, func(e *entry) bool { return e.counted })
	n := 0
	for n < len(q.spans) {
		more := spanSize(q.spans[n].span)
		if n == 0 {
			more += resourceSize(q.spans[0].span)
		}
		if n > 0 && b.size+more > room {
			break
		}
		b.size += more
		n++
	}
	b.entries = q.spans[:n:n]
	q.spans, q.sending[lane] = q.spans[n:], b.entries
	return b, n == 0 && q.closed
}

// takeOver gives what one lane has had for long to the other. Whoever gets an answer
// first counts it.
func (q *queue) takeOver(from, to int) (b batch) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b.entries, q.sending[from] = q.sending[from], nil
	for i, e := range b.entries {
		if i == 0 {
			b.size = resourceSize(e.span)
		}
		b.size += spanSize(e.span)
	}
	q.sending[to] = b.entries
	return b
}

// back puts what a lane has taken in front of all others again, later behind them.
func (q *queue) back(lane int)  { q.putBack(lane, true) }
func (q *queue) later(lane int) { q.putBack(lane, false) }

func (q *queue) putBack(lane int, front bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.sending[lane]
	q.sending[lane] = nil
	if front {
		q.spans = slices.Concat(taken, q.spans)
	} else {
		q.spans = append(q.spans, taken...)
	}
}

// waiting reports whether there is something to take.
func (q *queue) waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.spans) > 0
}

// idle reports whether nothing waits and nothing is in flight.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending() == 0
}

// pending is how many spans wait or are in flight. q.mu must be held.
func (q *queue) pending() int {
	n := q.emitted - q.sent
	for _, lost := range q.lost {
		n -= lost
	}
	return n
}

// count settles a lane's batch, of which lost spans did not arrive. taken says that
// the collector has decided about each of them: none is worth sending again.
func (q *queue) count(lane int, batch []*entry, taken bool, lost int, reason string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.settled {
		return
	}
	q.sending[lane] = nil
	for i, e := range batch {
		if e.counted {
			continue // The other lane had the same answer.
		}
		e.counted = true
		e.taken.Store(taken)
		if i < lost {
			q.lose(e, reason)
			q.err = err
		} else {
			q.sent++
		}
	}
	q.why, q.whyErr = "", nil
	for _, p := range q.spools {
		p.notify()
	}
}

// expect says why the rest would be lost if it were given up now. That we have cut a
// call says less than what came before.
func (q *queue) expect(reason string, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.why != "" && errors.Is(err, errTimeout) {
		return
	}
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
	reason, err := q.why, q.whyErr
	if reason == "" {
		reason, err = lostTimeout, errTimeout
	}
	for _, rest := range append(q.sending[:], q.spans) {
		for _, e := range rest {
			if !e.counted {
				q.lose(e, reason)
				q.err = err
			}
		}
	}
	q.spans, q.sending = nil, [lanes][]*entry{}
}

// away notes since when the collector is away; answered that it is not.
func (q *queue) away(since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone.IsZero() && !q.settled {
		q.gone = since
	}
}

func (q *queue) answered() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.settled {
		q.gone = time.Time{}
	}
}

func (q *queue) result(opened time.Time) Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := Result{Sent: q.sent, Pending: q.pending(), Err: q.err}
	if len(q.lost) > 0 {
		r.Lost = maps.Clone(q.lost)
	}
	q.spooled(&r)
	if !q.gone.IsZero() {
		r.GoneAt = max(q.gone.Sub(opened), 1)
	}
	return r
}

// spooled tells of what did not arrive what the spools have. q.mu must be held.
func (q *queue) spooled(r *Result) {
	if !slices.ContainsFunc(q.spools, func(p *spooler) bool { return p.on.Load() }) {
		return
	}
	for _, e := range q.kept {
		if e.lost == "" || e.taken.Load() {
			continue
		}
		if r.Lost[e.lost]--; r.Lost[e.lost] == 0 {
			delete(r.Lost, e.lost)
		}
		if e.kept.Load() {
			r.Spooled++
		} else {
			r.Lost[lostSpool]++
		}
	}
	if len(r.Lost) == 0 {
		r.Lost = nil
	}
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
