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
	part      float64 // of the search: how many operations were before,
	parts     float64 // and how many there are
	overfull  int
	limit     int // how many traces a search asks for: depth, or less of a slow Jaeger
	late      int // answers in a row that came too late
}

func (w *windows) search(ctx context.Context) error {
	from, to := w.q.From.Truncate(instant), w.q.To.Truncate(instant)
	if from.Before(earliest) {
		from = earliest
	}
	if to.After(latest) {
		to = latest
	}
	w.limit = depth
	width := to.Sub(from)
	for at := from; at.Before(to); {
		end := at.Add(width)
		if end.After(to) {
			end = to
		}
		asked := time.Now()
		n, full, err := w.window(ctx, at, end, w.limit)
		if tooLate := (slow{}); errors.As(err, &tooLate) {
			width = max(end.Sub(at)/lessTime, instant).Truncate(instant)
			err = w.askLess(ctx, tooLate)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		w.report(to.Sub(from), at.Sub(from))
		w.late = 0
		soon := time.Since(asked) < w.q.Jaeger.timeout/4 // twice as much may be answered, too
		if soon {
			w.limit = min(2*w.limit, depth)
		}
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
		if soon && n < depth/4 {
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
	w.q.Progress(Progress{
		Done:      (w.part + float64(done)/float64(all)) / w.parts,
		Shutdowns: w.tally.all(), Answers: w.answers,
	})
}

// crowded asks for more of an instant that is full: for so many that it is not, or for
// as many as Jaeger gives. What is then still missing is said.
func (w *windows) crowded(ctx context.Context, at, end time.Time) error {
	for limit := w.limit; limit < maxDepth; {
		limit = min(10*limit, maxDepth)
		_, full, err := w.window(ctx, at, end, limit)
		tooLate := slow{}
		if errors.As(err, &tooLate) {
			_, full, err = w.window(ctx, at, end, limit) // it may have been busy
		}
		switch {
		case errors.Is(err, errDepth), errors.As(err, &tooLate):
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
		err := w.q.Jaeger.retry(ctx, func() error { return w.patiently(ctx, a) })
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
			if err := w.probe(ctx, from, to); err != nil {
				return 0, false, err
			}
			w.probed = true
		}
		return a.n, a.n >= limit, nil
	}
}

// slow is an error that came after a long time. The same question again would take as
// long, one for less may not.
type slow struct{ error }

const (
	// lessTime and lessTraces are what parts of it are asked for then.
	lessTime, lessTraces = 8, 4
	// leastLimit is the least that is asked for: with less a window of one trace would
	// be full.
	leastLimit = 2
	// maxLate is how many answers in a row may be too late.
	maxLate = 5
	// longTime is what an error has to take, or half of the time that an answer may.
	longTime = 5 * time.Second
)

// patiently asks once, and tells errors that come late.
func (w *windows) patiently(ctx context.Context, a *answer) error {
	asked := time.Now()
	err := a.ask(ctx)
	passing := again{}
	if errors.As(err, &passing) && ctx.Err() == nil &&
		time.Since(asked) >= min(longTime, w.q.Jaeger.timeout/2) {
		w.slow++
		return slow(passing)
	}
	return err
}

// askLess has the next question be for less. Its error is that of the last answer, if
// there is no less.
func (w *windows) askLess(ctx context.Context, last slow) error {
	if w.late++; w.late == maxLate {
		return last.error
	}
	w.limit = max(w.limit/lessTraces, leastLimit)
	return rest(ctx, w.q.Jaeger.pause<<w.late)
}

// probe asks for one trace of a window that has several: a Jaeger that answers them
// all does not know how to be asked for a number, and how many it leaves out, nobody
// can tell.
func (w *windows) probe(ctx context.Context, from, to time.Time) error {
	a := &answer{collector: w.collector, operation: w.operation, from: from, to: to, limit: 1}
	return w.q.Jaeger.retry(ctx, func() error { return w.patiently(ctx, a) })
}
