// SPDX-License-Identifier: Apache-2.0

// Package culprits asks a Jaeger for the shutdowns of a service, and adds up what held
// them.
//
// Jaeger's API has no pages: a search answers with whole traces, and with no more than
// it was asked for. So the time that is asked about is cut into windows, which are
// halved until an answer is not full. A trace is looked at once, as it arrives, and
// only sums are kept: the memory that a search takes is bounded whatever Jaeger
// answers, see the constants.
package culprits

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The operations that are searched for. A group that was killed before the turn of its
// first grpc server has the second alone.
const (
	operationServer = "grpc.server.shutdown started"
	operationGroup  = "shutdown started"
	// With AlsoRoots.
	operationRoot      = "grpc.server.shutdown"
	operationGroupRoot = "shutdown"
)

// Query is what is asked.
type Query struct {
	Jaeger  *Client
	Service string
	// Version is the service.version of the shutdowns that count. By default, all do.
	Version string
	// From and To bound the starts of the shutdowns: From counts, To does not.
	From, To time.Time
	// Now is this moment: a shutdown whose end was not sent is killed if it has been
	// silent for long enough by then.
	Now time.Time
	// Silence is how long that is, twice as long for one that had lasted for a minute.
	Silence time.Duration
	// UI is where links lead: Jaeger as a browser reaches it.
	UI string
	// By are the parts of a culprit that tell it from others. By default, all of
	// AllParts.
	By []Part
	// FailOver is how long a shutdown may take; 0: no shutdown fails.
	FailOver time.Duration
	// AlsoRoots looks for the ends of shutdowns, too: of those whose first span was lost
	// the end may be there. By default it does not, which takes half as long.
	AlsoRoots bool
	// Progress is told how far the search is, after each answer. By default, nobody.
	Progress func(Progress)
}

// Progress is how far a search is.
type Progress struct {
	Done      float64 // of the time that is asked about, 0 to 1
	Shutdowns int
	Answers   int
}

// Collect asks Jaeger until all is answered. A Result that is not complete says so; an
// error is that of a Jaeger that does not answer, or not to what was asked.
func Collect(ctx context.Context, q *Query) (*Result, error) {
	if len(q.By) == 0 {
		all := *q
		all.By = AllParts()
		q = &all
	}
	c := newCollector(q)
	operations := []string{operationServer, operationGroup}
	if q.AlsoRoots {
		operations = append(operations, operationRoot, operationGroupRoot)
	}
	for i, op := range operations {
		w := &windows{collector: c, operation: op, part: float64(i), parts: float64(len(operations))}
		if err := w.search(ctx); err != nil {
			return nil, interrupted(ctx, err, c)
		}
	}
	if c.tally.all() == 0 {
		c.notFound(ctx)
	}
	return c.result(), nil
}

// interrupted says how far a search came that was ended from outside.
func interrupted(ctx context.Context, err error, c *collector) error {
	if ctx.Err() != nil {
		return fmt.Errorf("ended after %d shutdowns in %d answers: %w", c.tally.all(), c.answers,
			context.Cause(ctx))
	}
	return err
}

// notFound says which services there are if Jaeger does not know the one that was
// asked for.
func (c *collector) notFound(ctx context.Context) {
	services, err := c.q.Jaeger.services(ctx)
	if err != nil {
		return // no answer, no hint
	}
	if slices.Contains(services, c.q.Service) {
		return
	}
	const few = 10
	more := ""
	if n := len(services) - few; n > 0 {
		services, more = services[:few], fmt.Sprintf(" and %d more", n)
	}
	known := "it knows none"
	if len(services) > 0 {
		known = "it knows " + strings.Join(services, ", ") + more
	}
	c.unknown = true
	c.notef("Jaeger knows no service %q: %s", c.q.Service, known)
}
