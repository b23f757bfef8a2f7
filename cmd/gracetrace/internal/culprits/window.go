// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// depth is how many traces a search asks for: what every storage of Jaeger's allows,
	// and gives if it is not asked.
	depth = 100
	// maxDepth is how many it asks for in an instant that cannot be halved.
	maxDepth = 10_000
	// instant is the shortest window. Most of Jaeger's storages know no shorter times.
	instant = time.Microsecond
	// maxOverfull is how many windows may stay full: a Jaeger that answers more in each
	// would be asked for ever.
	maxOverfull = 10
)

// The times that spans can have, which OTLP counts from 1970. Twice the time between
// them fits a Duration.
var (
	earliest = time.Unix(0, 0)
	latest   = time.Date(2112, 1, 1, 0, 0, 0, 0, time.UTC)
)

// windows asks for one operation, one window of time after the other, and halves those
// whose answers are full.
type windows struct {
	*collector
	operation string
	part      float64 // of the search: how many operations were before
	overfull  int
}

func (w *windows) search(ctx context.Context) error {
	from, to := w.q.From.Truncate(instant), w.q.To.Truncate(instant)
	if from.Before(earliest) {
		from = earliest
	}
	if to.After(latest) {
		to = latest
	}
	width := to.Sub(from)
	for at := from; at.Before(to); {
		end := at.Add(width)
		if end.After(to) {
			end = to
		}
		n, full, err := w.window(ctx, at, end, depth)
		if err != nil {
			return err
		}
		w.report(to.Sub(from), at.Sub(from))
		if full && end.Sub(at) > instant {
			width = max(end.Sub(at)/2, instant).Truncate(instant)
			continue
		}
		if full {
			if err := w.crowded(ctx, at, end); err != nil {
				return err
			}
		}
		at = end
		if n < depth/4 {
			width = min(2*width, to.Sub(from))
		}
	}
	w.report(1, 1)
	return nil
}

// report tells how far it is: done of all.
func (w *windows) report(all, done time.Duration) {
	if w.q.Progress == nil {
		return
	}
	const operations = 2
	w.q.Progress(Progress{
		Done:      (w.part + float64(done)/float64(all)) / operations,
		Shutdowns: w.tally.all(), Answers: w.answers,
	})
}

// crowded asks for more of an instant that is full: for so many that it is not, or for
// as many as Jaeger gives. What is then still missing is said.
func (w *windows) crowded(ctx context.Context, at, end time.Time) error {
	for limit := 10 * depth; limit <= maxDepth; limit *= 10 {
		_, full, err := w.window(ctx, at, end, limit)
		switch {
		case errors.Is(err, errDepth):
			limit = maxDepth
		case err != nil:
			return err
		case !full:
			return nil
		}
	}
	w.incompletef("more shutdowns began at %s than Jaeger answers to one question: those that it left out are not counted",
		moment(at))
	if w.overfull++; w.overfull == maxOverfull {
		return fmt.Errorf("each of %d microseconds has more shutdowns than Jaeger answers: "+
			"are these the answers to what was asked?", maxOverfull)
	}
	return nil
}

// window asks for the shutdowns that began from one moment to before another. It
// returns how many traces were answered, and whether there may be more.
func (w *windows) window(ctx context.Context, from, to time.Time, limit int) (n int, full bool, err error) {
	for {
		a := &answer{collector: w.collector, operation: w.operation, from: from, to: to, limit: limit}
		err := w.q.Jaeger.retry(ctx, func() error { return a.ask(ctx) })
		switch {
		case errors.Is(err, errDepth) && limit > 1 && limit <= depth:
			limit = max(limit/10, 1) // a Jaeger that keeps few
			continue
		case errors.Is(err, errTooLong):
			if to.Sub(from) <= instant {
				w.incompletef("the shutdowns that began at %s are more than %d MiB of JSON: not all are counted",
					moment(from), maxAnswer>>20)
				return a.n, false, nil
			}
			return a.n, true, nil
		case err != nil:
			return 0, false, err
		}
		if a.n > 1 && !w.probed {
			w.probed = true
			if err := w.probe(ctx, from, to); err != nil {
				return 0, false, err
			}
		}
		return a.n, a.n >= limit, nil
	}
}

// probe asks for one trace of a window that has several: a Jaeger that answers them
// all does not know how to be asked for a number, and how many it leaves out, nobody
// can tell.
func (w *windows) probe(ctx context.Context, from, to time.Time) error {
	a := &answer{collector: w.collector, operation: w.operation, from: from, to: to, limit: 1}
	return w.q.Jaeger.retry(ctx, func() error { return a.ask(ctx) })
}
