// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/internal/spool"
	"github.com/gracetrace/gracetrace/internal/watch"
)

// The records of a shutdown. Their messages are constant.
const (
	logRecoveredRun = "spool recovered"
	logNotRecovered = "spool not recovered"
	logStarted      = "shutdown started"
	logProgress     = "shutdown progress"
	logFinished     = "shutdown finished"
	logUnseen       = "not serving unseen"
	logSpooledSpans = "shutdown spans spooled"
	logLostSpans    = "shutdown spans lost"

	logPanic        = "handler panicked"
	logOutlivedRuns = "handler outlived shutdown"
	logOutlivedOver = "outlived handler ended"
)

func (s *Shutdown) log(level slog.Level, msg string, args ...any) {
	if m := s.announced().Member; m != nil {
		args = append(args, keyLogMember, m.info.Name)
	}
	logTo(s.t.cfg.log, s.spans.traceID, level, msg, args...)
}

// keyLogMember is on the records of a server that is a member of a group.
const keyLogMember = "member"

func logTo(log *slog.Logger, id trace.TraceID, level slog.Level, msg string, args ...any) {
	args = append(args, "trace_id", id.String())
	//nolint:sloglint // the message is one of the constants above
	log.Log(context.Background(), level, msg, args...)
}

func millis(d time.Duration) slog.Value {
	return slog.Float64Value(float64(d.Microseconds()) / 1e3)
}

func (s *Shutdown) logStarted(o *watch.Outline) {
	args := []any{"connections", o.Conns, "rpcs", o.RPCs}
	if b := s.announced().Budget; b > 0 {
		args = append(args, "budget_ms", millis(b.Round(time.Millisecond)))
	}
	s.log(slog.LevelInfo, logStarted, args...)
}

func (s *Shutdown) logProgress(tl *timeline, v *phaseView) {
	args := append([]any{"phase", string(v.phase)},
		tookArgs(tl.fromStart(tl.now), tl.verdictSoFar(v))...)
	args = append(args, holderArgs(v.culprit)...)
	s.log(slog.LevelInfo, logProgress, args...)
}

// logFinished warns when it took more than half of its budget, when RPCs were cut,
// and when clients were not told.
func (s *Shutdown) logFinished(r *Report, main *phaseView, untold bool) {
	level, budget := slog.LevelInfo, s.announced().Budget
	switch {
	case r.Outcome == OutcomeForced:
		level = slog.LevelError
	case budget > 0 && time.Duration(r.Duration) > budget/2, untold, cutTotal(r.RPCsCut) > 0:
		level = slog.LevelWarn
	}
	args := []any{
		"outcome", string(r.Outcome), "duration_ms", millis(time.Duration(r.Duration)),
		"phase", string(main.phase), "verdict", r.Verdict,
	}
	args = append(args, holderArgs(main.culprit)...)
	if n := cutTotal(r.RPCsCut); n > 0 {
		args = append(args, "rpcs_cut", n)
	}
	if r.Clients.Refused > 0 {
		args = append(args, "refused", r.Clients.Refused)
	}
	if r.JaegerURL != "" {
		args = append(args, "jaeger_url", r.JaegerURL)
	}
	s.log(level, logFinished, args...)
}

func tookArgs(d time.Duration, verdict string) []any {
	return []any{"duration_ms", millis(d), "verdict", verdict}
}

// logNotSeen warns when clients had no time to see NOT_SERVING.
func (s *Shutdown) logNotSeen(tl *timeline) {
	if gap, ok := tl.unseen(); ok {
		s.log(slog.LevelWarn, logUnseen, "gap_ms", millis(gap))
	}
}

func holderArgs(h *holder) []any {
	if h == nil {
		return nil
	}
	args := []any{"holder.kind", string(h.Kind)}
	if h.State != "" {
		args = append(args, "holder.state", h.State)
	}
	if h.Method != "" {
		args = append(args, "rpc.method", h.Method)
	}
	if h.Peer != "" {
		args = append(args, "peer", h.Peer)
	}
	if h.Client != "" {
		args = append(args, "client", h.Client)
	}
	return append(args, "held_ms", millis(time.Duration(h.Held)))
}

// logSpooled comes where [logLost] does.
func logSpooled(log func(slog.Level, string, ...any), r exporter.Result) {
	if r.Spooled == 0 {
		return
	}
	args := []any{"spans_spooled", r.Spooled, "spans_sent", r.Sent}
	if r.Err != nil {
		args = append(args, "err", r.Err)
	}
	log(slog.LevelWarn, logSpooledSpans, args...)
}

// logRecovered tells of each stop of which an earlier run left something.
func logRecovered(log *slog.Logger, left *spool.Left, done spool.Recovered, err error) {
	if err != nil {
		log.Warn(logNotRecovered, "file", left.Name, "spans_sent", done.Spans, "err", err)
		return
	}
	for _, run := range done.Runs {
		log.Info(logRecoveredRun, "service_name", run.Service, "start", run.Start, "outcome", run.Outcome,
			"verdict", run.Verdict, "spans_sent", done.Spans, "trace_id", run.TraceID)
	}
}

// logLost comes after the verdict's record, which must not wait for a flush.
func logLost(log func(slog.Level, string, ...any), r exporter.Result) {
	n := 0
	for _, c := range r.Lost {
		n += c
	}
	if n == 0 {
		return
	}
	args := []any{"spans_lost", n, "spans_sent", r.Sent, "reasons", r.Lost}
	if r.Err != nil {
		args = append(args, "err", r.Err)
	}
	if r.GoneAt > 0 {
		args = append(args, "collector_gone_ms", millis(r.GoneAt))
	}
	log(slog.LevelWarn, logLostSpans, args...)
}

// logOutlived tells of the oldest of n handlers that run although the stop is over.
func (s *Shutdown) logOutlived(h *Holder, n int) {
	s.log(slog.LevelWarn, logOutlivedRuns, append([]any{"handlers", n}, outlivedArgs(h)...)...)
}

// logOutlivedEnded tells that one of them has ended, and how many have not.
func (s *Shutdown) logOutlivedEnded(h *Holder, left int) {
	s.log(slog.LevelInfo, logOutlivedOver, append([]any{"handlers", left}, outlivedArgs(h)...)...)
}

func outlivedArgs(h *Holder) []any {
	var args []any
	if h.Method != "" {
		args = append(args, "rpc.method", h.Method)
	}
	if h.Peer != "" {
		args = append(args, "peer", h.Peer)
	}
	if h.Client != "" {
		args = append(args, "client", h.Client)
	}
	if h.Source != "" {
		args = append(args, "source", h.Source)
	}
	return append(args, "held_ms", millis(time.Duration(h.Held)), "age_ms", millis(time.Duration(h.Age)))
}

// logPanicked tells of a handler that panicked. The process may end with it.
func (s *Shutdown) logPanicked(r *rpcLine, source string, at time.Duration) {
	var args []any
	if r.method.Name != "" {
		args = append(args, "rpc.method", r.method.Name)
	}
	if r.peer != "" {
		args = append(args, "peer", r.peer)
	}
	if source != "" {
		args = append(args, "source", source)
	}
	args = append(args, "at_ms", millis(at))
	s.log(slog.LevelError, logPanic, args...)
}
