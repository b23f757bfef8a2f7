// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"log/slog"
	"time"
)

func (g *Group) logStarted() {
	args := []any{}
	if g.budget > 0 {
		args = append(args, "budget_ms", millis(g.budget.Round(time.Millisecond)))
	}
	g.log(slog.LevelInfo, logStarted, args...)
}

func (g *Group) logProgress(now time.Duration, verdict string) {
	g.log(slog.LevelInfo, logProgress, tookArgs(now, verdict)...)
}

// logFinished warns when a member failed or RPCs were cut, and when it took more
// than half of the budget.
func (g *Group) logFinished(r *Report) {
	level := slog.LevelInfo
	switch {
	case r.Outcome == OutcomeForced:
		level = slog.LevelError
	case g.budget > 0 && time.Duration(r.Duration) > g.budget/2, cutTotal(r.RPCsCut) > 0, r.failed():
		level = slog.LevelWarn
	}
	args := append([]any{"outcome", string(r.Outcome)}, tookArgs(time.Duration(r.Duration), r.Verdict)...)
	args = append(args, "members", len(r.Members))
	if n := cutTotal(r.RPCsCut); n > 0 {
		args = append(args, "rpcs_cut", n)
	}
	if r.JaegerURL != "" {
		args = append(args, "jaeger_url", r.JaegerURL)
	}
	g.log(level, logFinished, args...)
}

func (r *Report) failed() bool {
	for _, m := range r.Members {
		if m.Member.Error != "" {
			return true
		}
	}
	return false
}
