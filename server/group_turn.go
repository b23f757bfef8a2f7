// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// turn is a member's stop, as the trace of the group has it. It is safe for
// concurrent use: a stop that was left behind may go on.
type turn struct {
	trace *tracer.Group
	info  tracer.MemberReport

	mu   sync.Mutex // guards following
	bars []*tracer.Member
	over bool
}

// turn begins m's. left is what the group's budget still has.
func (g *Group) turn(m *member, left time.Duration) *turn {
	t := &turn{trace: g.trace, info: tracer.MemberReport{
		Name: m.Name, After: m.After, BudgetLeft: tracer.Duration(left),
	}}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turns = append(g.turns, t)
	return t
}

// begin begins a bar. A turn has one, or two where a grpc server is served by an
// HTTP server.
func (t *turn) begin(kind string) *tracer.Member {
	t.mu.Lock()
	defer t.mu.Unlock()
	info := t.info
	info.Kind = kind
	bar := t.trace.Begin(info)
	if t.over {
		bar.End(errLeftBehind, true)
	}
	t.bars = append(t.bars, bar)
	return bar
}

// end ends the turn, and the bars that have not ended.
func (t *turn) end(err error, forced bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.endLocked(err, forced)
}

// next ends the bars that there are: another one comes.
func (t *turn) next(err error, forced bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endLocked(err, forced)
}

// endLocked ends the bars that have not ended. t.mu must be held.
func (t *turn) endLocked(err error, forced bool) {
	for _, bar := range t.bars {
		bar.End(err, forced)
	}
}

var errLeftBehind = errors.New("its stop has not returned and was left behind")

// wasForced reports whether a stop had not enough time, by its result.
func wasForced(ctx context.Context, err error) bool {
	var deadline *DeadlineError
	var forced *httpForcedError
	return errors.As(err, &deadline) || errors.As(err, &forced) || err != nil && ctx.Err() != nil
}
