// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/internal/legible"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	// maxTraces bounds what is remembered: 40 bytes of each trace.
	maxTraces = 500_000
	// maxNotes bounds what is said of what is missing.
	maxNotes = 20
	// slack is how far a start may be outside of the window that it was found in: some
	// storages keep milliseconds.
	slack = 10 * time.Millisecond
	// maxDrift is the difference of clocks that is not said: the time of an answer has
	// no fractions of a second.
	maxDrift = 2 * time.Second
)

// collector looks at each trace once.
type collector struct {
	q     *Query
	seen  map[traceID]extent
	tally *tally

	answers  int
	bytes    int64
	slow     int // answers that came too late
	foreign  int // traces that are no shutdowns
	headless int // shutdowns that have lost their first spans
	strange  int // traces that cannot be read

	probed     bool
	drift      time.Duration // of Jaeger's clock from ours, the largest
	incomplete []string
	notes      []string
	unknown    bool // Jaeger knows no such service
}

// extent is when the first and the last shutdown of a trace began, in µs since 1970.
type extent struct{ first, last int64 }

// Extents of traces whose shutdowns are not known: of one that cannot be read, and of
// one that has none.
var (
	anywhere   = extent{first: -1 << 62, last: 1 << 62}
	noShutdown = extent{first: -1 << 61, last: 1 << 61}
)

func newCollector(q *Query) *collector {
	return &collector{q: q, seen: make(map[traceID]extent), tally: newTally(q)}
}

// incompletef says why the result has not all shutdowns.
func (c *collector) incompletef(format string, args ...any) {
	if len(c.incomplete) < maxNotes {
		c.incomplete = append(c.incomplete, fmt.Sprintf(format, args...))
	}
}

func (c *collector) notef(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// answer is that to one search.
type answer struct {
	*collector
	operation string
	from, to  time.Time // to is not part of it
	limit     int

	n      int // traces in it
	others int // of these that are no shutdowns
}

// ask asks once. What an answer that breaks off has told is counted: when it is asked
// again, it is known.
func (a *answer) ask(ctx context.Context) error {
	a.n, a.others = 0, 0
	asked := time.Now()
	query := questions(a.q.Service, a.operation, a.from, a.to.Add(-1), a.limit)
	err := a.q.Jaeger.get(ctx, "/api/v3/traces", query, func(body io.Reader, clock time.Time) error {
		a.watch(asked, clock)
		body = &counted{Reader: body, n: &a.bytes}
		return readAnswer(body, maxAnswer, a.known, a.trace)
	})
	a.answers++
	if errors.Is(err, errNoTraces) {
		return nil
	}
	if err == nil && a.operation == operationServer && a.n > 0 && a.n == a.others {
		return a.ignored("none of the traces that it answers is a shutdown")
	}
	return err
}

// counted counts what is read. What breaks off may come whole at another try.
type counted struct {
	io.Reader
	n *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	*c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = again{err}
	}
	return n, err
}

// watch compares Jaeger's clock with ours.
func (c *collector) watch(asked, clock time.Time) {
	if clock.IsZero() {
		return
	}
	drift := clock.Sub(asked)
	if d := time.Since(asked); drift > 0 {
		drift = max(drift-d, 0)
	}
	if drift.Abs() > c.drift.Abs() {
		c.drift = drift
	}
}

// ignored is the error of a Jaeger that does not do as it is asked: it would be
// counted wrongly.
func (a *answer) ignored(what string) error {
	return fmt.Errorf("%s: this Jaeger does not know all that it was asked, as 2.13 to 2.20 do", what)
}

func (c *collector) known(id traceID) bool {
	_, known := c.seen[id]
	return known
}

// trace is given each one of an answer.
func (a *answer) trace(t trace) error {
	if a.n++; a.n > a.limit {
		return a.ignored(fmt.Sprintf("asked for %d traces it answers more", a.limit))
	}
	e, known := a.seen[t.id]
	if !known {
		if len(a.seen) == maxTraces {
			return fmt.Errorf("more than %d traces: ask for a shorter time, with --since and --until", maxTraces)
		}
		var err error
		if e, err = a.read(t); err != nil {
			return err
		}
		a.seen[t.id] = e
	}
	from, to := a.from.Add(-slack).UnixMicro(), a.to.Add(slack).UnixMicro()
	if e.last < from || e.first > to {
		return a.ignored(fmt.Sprintf("asked for shutdowns from %s on for %s it answers one of %s",
			moment(a.from), a.to.Sub(a.from), moment(time.UnixMicro(e.first))))
	}
	if e == noShutdown {
		a.others++
	}
	return nil
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// read counts the shutdowns of a trace.
func (a *answer) read(t trace) (extent, error) {
	if t.json == nil {
		a.unreadable(t.id, "it is too large")
		return anywhere, nil
	}
	reports, err := tracer.ReadReports(bytes.NewReader(t.json))
	if err != nil {
		if strings.HasPrefix(err.Error(), "no shutdown in it") {
			a.foreign++
			return noShutdown, nil
		}
		a.unreadable(t.id, legible.Text(err.Error(), maxErrorBody))
		return anywhere, nil
	}
	service := legible.Printable(a.q.Service)
	e := extent{first: anywhere.last, last: anywhere.first}
	for _, r := range reports {
		if r.Service != service { // as a report shows it
			continue // of another process in the trace of a deployment
		}
		starts(r, &e)
		if a.count(t.id, r) && a.byRoot() && a.headlessIn(t, r) {
			a.headless++
		}
	}
	if e.first > e.last {
		return anywhere, a.ignored("it answers the shutdowns of another service")
	}
	return e, nil
}

func (c *collector) unreadable(id traceID, why string) {
	c.strange++
	c.incompletef("trace %s is not counted: %s", id, why)
}

// starts takes the beginnings of a shutdown, and of a group's members, into e.
func starts(r *tracer.Report, e *extent) {
	at := r.Start.UnixMicro()
	e.first, e.last = min(e.first, at), max(e.last, at)
	for _, m := range r.Members {
		starts(m, e)
	}
}

// byRoot says that those that are not known yet were not found by their first spans.
func (a *answer) byRoot() bool {
	return a.operation == operationRoot || a.operation == operationGroupRoot
}

// headlessIn says whether a shutdown that its end has found has lost its first span.
// One that began during the search may have had none yet when that was searched for.
// A first span in its trace may be that of another service, so one that is old enough
// needs none to be missing.
func (a *answer) headlessIn(t trace, r *tracer.Report) bool {
	old := r.Start.Before(a.q.Now.Add(-a.q.Silence))
	return old || !hasSpan(t, operationServer) && !hasSpan(t, operationGroup)
}

// hasSpan says whether a trace may have a span of that name: it is in it as JSON has it.
func hasSpan(t trace, name string) bool {
	return bytes.Contains(t.json, []byte(`"`+name+`"`))
}

// count takes a shutdown into the tally, unless it is not asked for.
func (c *collector) count(id traceID, r *tracer.Report) bool {
	// The span that was searched for begins a microsecond after the shutdown.
	at := r.Start.Add(time.Microsecond)
	if at.Before(c.q.From) || !at.Before(c.q.To) {
		return false
	}
	if v := c.q.Version; v != "" && v != r.ServiceVersion {
		return false
	}
	c.tally.add(id, r)
	return true
}
