// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

const (
	// stuckAfter is how long Flush waits for one operation of a spool: a disk that
	// hangs since before the flush does not keep it at all.
	stuckAfter = 250 * time.Millisecond
	// logHold is how long a log waits for the collector, which mostly takes all:
	// nothing is written then.
	logHold = time.Second
)

// store is where a spooler writes. One goroutine uses it; any call may hang.
type store interface {
	// open is called before all others. After an error none is.
	open() error
	// write writes one line, with one call of write(2), and returns what took
	// knows it by.
	write(line []byte) (at int64, err error)
	// took notes that the collector has a line.
	took(at int64) error
	// broken is called after an error of write. No write follows. It returns errGone
	// if what was written before is gone, too.
	broken() error
	// close is called at the end; all tells whether the collector has everything.
	close(all bool) error
}

// spooler copies a session's spans to a store, in a goroutine of its own. Nothing
// waits for it but Flush, and that not for a disk that hangs.
type spooler struct {
	store  store
	limit  int           // of a line of several spans, in bytes
	cut    bool          // of a single span, too
	hold   time.Duration // see logHold
	failed func(error)   // told the first error

	wake chan struct{} // capacity 1
	done chan struct{} // closed when the goroutine has ended
	busy atomic.Int64  // since when one operation lasts, in nanoseconds since 1970; 0: none does
	ops  atomic.Int64  // operations that have ended
	on   atomic.Bool   // the store could be opened

	mu      sync.Mutex // guards following
	entries []*entry   // at most queueSpans
	ended   bool       // the session is over: no entry follows, what is not taken now will not be
	by      time.Time  // what is older is written although hold is not over; zero: nothing

	// Of the goroutine.
	written int // of entries
	holding bool
	lines   []spooled
	off     bool // the store has failed
}

// spooled is a line that was written.
type spooled struct {
	at      int64
	entries []*entry
	taken   bool // noted in the store
}

// newSpooler makes one of lines of at most limit bytes. It is started by run.
func newSpooler(st store, limit int, failed func(error)) *spooler {
	return &spooler{
		store: st, limit: limit, failed: failed,
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

func (p *spooler) notify() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// push never blocks. A span for which there is no room is not kept.
func (p *spooler) push(e *entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended && len(p.entries) < queueSpans {
		p.entries = append(p.entries, e)
		p.notify()
	}
}

// hurry is told that a flush has begun that lasts for at most budget: a log must
// not wait longer than that for the collector.
func (p *spooler) hurry(budget time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by = time.Now().Add(budget / 2)
	p.notify()
}

// end is told that what the collector has taken now is all that it takes.
func (p *spooler) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	p.notify()
}

// errHangs says that a write, or whatever else, has not ended.
var errHangs = fmt.Errorf("it hangs: one operation takes more than %v", stuckAfter)

// wait waits for the end, as long as each operation is quick and ctx lasts.
func (p *spooler) wait(ctx context.Context) {
	for {
		left, ops, since := stuckAfter, p.ops.Load(), p.busy.Load()
		if since != 0 {
			left -= time.Duration(time.Now().UnixNano() - since)
		}
		if left <= 0 {
			p.failed(errHangs)
			return
		}
		t := time.NewTimer(left)
		select {
		case <-p.done:
		case <-ctx.Done():
		case <-t.C:
			if p.ops.Load() != ops {
				continue
			}
			if since != 0 {
				p.failed(errHangs)
			}
		}
		t.Stop()
		return
	}
}

// run is the goroutine.
func (p *spooler) run() {
	defer close(p.done)
	p.holding = p.hold > 0
	p.on.Store(p.do(p.store.open))
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		p.mu.Lock()
		entries, ended, by := p.entries, p.ended, p.by
		p.mu.Unlock()
		next := p.look(entries, ended, by)
		if !p.holding {
			p.writeAll(entries[p.written:])
			p.written = len(entries)
		}
		p.acknowledge()
		if ended {
			p.close(entries)
			return
		}
		timer.Reset(next)
		select {
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// close is the last that is done. A store that finds then that what was written is
// gone has kept nothing.
func (p *spooler) close(entries []*entry) {
	p.busy.Store(time.Now().UnixNano())
	err := safely(func() error { return p.store.close(allTaken(entries)) })
	p.say(err)
	p.forget(err)
}

// forget takes back, after errGone, what was written.
func (p *spooler) forget(err error) {
	if !errors.Is(err, errGone) {
		return
	}
	for _, l := range p.lines {
		for _, e := range l.entries {
			e.kept.Store(false)
		}
	}
}

// errGone says that a spool was removed while it was written.
var errGone = errors.New("it was removed while it was written")

// look ends the holding when a span has waited long enough, or when it is the end
// and the collector has not taken all. It returns when to look again. From then on
// everything is written, from the beginning: a reader needs it to tell what
// happened.
func (p *spooler) look(entries []*entry, ended bool, by time.Time) (next time.Duration) {
	next = time.Hour
	if !p.holding {
		return next
	}
	now := time.Now()
	for _, e := range entries {
		if e.taken.Load() {
			continue
		}
		due := e.pushed.Add(p.hold)
		if !by.IsZero() && by.Before(due) {
			due = by
		}
		if ended || !due.After(now) {
			p.holding = false
			return next
		}
		next = min(next, due.Sub(now))
	}
	return next
}

// do makes one call of the store, which may hang, unless one has failed.
func (p *spooler) do(f func() error) bool {
	if p.off {
		return false
	}
	p.busy.Store(time.Now().UnixNano())
	err := safely(f)
	p.busy.Store(0)
	p.ops.Add(1)
	p.say(err)
	p.off = err != nil
	return err == nil
}

func (p *spooler) say(err error) {
	if err != nil && !p.off {
		p.failed(err)
	}
}

// safely keeps a panic of a user's writer from the process.
func safely(f func() error) (err error) {
	defer catch(&err)
	return f()
}

// writeAll writes entries in lines that most likely are of the right length: one that
// turns out too long was made for nothing.
func (p *spooler) writeAll(entries []*entry) {
	for len(entries) > 0 {
		n, size := 1, resourceSize(entries[0].span)+spanSize(entries[0].span)
		for n < len(entries) {
			if size += spanSize(entries[n].span); size > p.limit {
				break
			}
			n++
		}
		p.write(entries[:n])
		entries = entries[n:]
	}
}

// write writes lines of as many entries as fit into one.
func (p *spooler) write(entries []*entry) {
	if len(entries) == 0 || p.off {
		return
	}
	line, err := p.line(entries)
	if len(entries) > 1 && (err != nil || len(line) > p.limit) {
		half := len(entries) / 2
		p.write(entries[:half])
		p.write(entries[half:])
		return
	}
	if err != nil {
		return // a span that no collector could be sent either: it is not kept
	}
	var at int64
	if !p.do(func() (err error) { at, err = p.store.write(line); return err }) {
		p.forget(safely(p.store.broken))
		return
	}
	for _, e := range entries {
		e.kept.Store(true)
	}
	p.lines = append(p.lines, spooled{at: at, entries: slices.Clone(entries)})
}

// line is what the exporter sends for the entries.
func (p *spooler) line(entries []*entry) ([]byte, error) {
	td, err := traces(entries)
	if err != nil {
		return nil, err
	}
	line, err := otlpjson.Line(td)
	if err == nil && p.cut && len(entries) == 1 && len(line) > p.limit {
		return shorten(td, p.limit)
	}
	return line, err
}

// acknowledge notes which lines the collector has by now.
func (p *spooler) acknowledge() {
	for i := range p.lines {
		l := &p.lines[i]
		if !l.taken && allTaken(l.entries) {
			l.taken = true
			p.do(func() error { return p.store.took(l.at) })
		}
	}
}

func allTaken(entries []*entry) bool {
	return !slices.ContainsFunc(entries, func(e *entry) bool { return !e.taken.Load() })
}

// shortened are the bytes that are left of each text of a span that does not fit
// into a line, one after another until it does.
var shortened = []int{1024, 256, 64, 16, 0}

// keyShortened says on a span that its texts were cut.
const keyShortened = "gracetrace.shortened"

// shorten makes a line of a span that is too long for one.
func shorten(td *tracepb.TracesData, limit int) (line []byte, err error) {
	for _, n := range shortened {
		c, _ := proto.Clone(td).(*tracepb.TracesData)
		shortenTexts(c, n)
		if line, err = otlpjson.Line(c); err != nil || len(line) <= limit {
			return line, err
		}
	}
	return nil, errTooLong
}
