// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"log/slog"
	"time"
)

// groupTrace is told how a group stops. It is safe for concurrent use.
type groupTrace interface {
	// begin is called when a member is told to stop. left is the group's budget
	// then, budget the member's share of it. end is called once, with the result.
	begin(m *member, left, budget time.Duration) (end func(error))
	// end is called when all have ended, or were given up.
	end(err error)
}

// trace begins the trace of the group's stop.
func (g *Group) trace(budget time.Duration) groupTrace {
	l := &groupLog{log: g.t.Logger(), began: time.Now()}
	l.log.Info("group stopping", "members", len(g.members), "budget_ms", budget.Milliseconds())
	return l
}

// groupLog writes a record for each member.
type groupLog struct {
	log   *slog.Logger
	began time.Time
}

// counted is a unit that knows its connections.
type counted interface{ count() httpCount }

func (l *groupLog) begin(m *member, left, budget time.Duration) (end func(error)) {
	began := time.Now()
	args := []any{
		"member", m.Name, "kind", m.unit.kind(), "budget_left_ms", left.Milliseconds(),
		"budget_ms", budget.Milliseconds(),
	}
	conns, _ := m.unit.(counted)
	if conns != nil {
		n := conns.count()
		args = append(args, "idle", n.idle, "active", n.active, "fresh", n.fresh)
	}
	return func(err error) {
		args = append(args, "duration_ms", time.Since(began).Milliseconds())
		if conns != nil {
			n := conns.count()
			args = append(args, "active_left", n.active, "hijacked_left", n.hijacked)
		}
		l.record("member stopped", err, args)
	}
}

func (l *groupLog) end(err error) {
	l.record("group stopped", err, []any{"duration_ms", time.Since(l.began).Milliseconds()})
}

func (l *groupLog) record(msg string, err error, args []any) {
	level := slog.LevelInfo
	if err != nil {
		level, args = slog.LevelError, append(args, "err", err)
	}
	l.log.Log(context.Background(), level, msg, args...) //nolint:sloglint // one of two
}
