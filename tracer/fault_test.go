// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// TestReportPanics: a fault in the application's callback is logged and changes
// nothing else.
func TestReportPanics(t *testing.T) {
	var log bytes.Buffer
	tr, _ := newTestTracer(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		WithReport(func(*Report) { panic("a nil map") }))
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	s.Returned()
	if r := s.Finish(t.Context()); r.Outcome != OutcomeGraceful {
		t.Errorf("the report says %q", r.Outcome)
	}
	s.Deliver(t.Context())
	if !strings.Contains(log.String(), "a nil map") {
		t.Errorf("the log does not tell of the panic:\n%s", &log)
	}
	if _, first := tr.BeginShutdown(Call{Graceful: true}); !first {
		t.Error("there is no shutdown after it")
	} else {
		tr.current.Finish(t.Context())
	}
}

// TestFaultInTheTracer: a shutdown goes on, to its end, if what it reads panics.
func TestFaultInTheTracer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tr, _ := newTestTracer(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		table := tr.Table()
		table.Resolve = func(context.Context) watch.Caller { panic("a fault") }
		rpc := table.Begin(t.Context(), sayHello)
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		time.Sleep(4 * time.Second) // of the bubble's: two checkpoints
		s.Forced()
		table.End(rpc)
		s.Returned()
		r := s.Finish(t.Context())
		if r == nil || r.TraceID == "" || r.Version != 1 {
			t.Errorf("the report is %+v", r)
		}
		if n := strings.Count(log.String(), "a fault in the tracer"); n != 4 {
			t.Errorf("%d faults were logged, want 4:\n%s", n, &log)
		}
	})
}

// badHandler panics on each of our records.
type badHandler struct{ slog.Handler }

func (badHandler) Handle(context.Context, slog.Record) error { panic("the disk is full") }
func (badHandler) Enabled(context.Context, slog.Level) bool  { return true }

// TestLoggerPanics, and the tracer has nowhere to say it. The spans go out.
func TestLoggerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, k := newTestTracer(t)
		tr.cfg.log = slog.New(badHandler{slog.DiscardHandler})
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		time.Sleep(2 * time.Second) // of the bubble's
		s.Returned()
		if r := s.Finish(t.Context()); r.Outcome != OutcomeGraceful {
			t.Errorf("the report says %q", r.Outcome)
		}
		theSpan(t, k.spans, spanRoot)
	})
}

// TestLevels: graceful is Info, slow is Warn, forced is Error.
func TestLevels(t *testing.T) {
	for name, tt := range map[string]struct {
		call   Call
		forced bool
		want   string
	}{
		"graceful, without a budget": {Call{Graceful: true}, false, "INFO"},
		"within half of the budget":  {Call{Graceful: true, Budget: 8 * sec}, false, "INFO"},
		"above half of the budget":   {Call{Graceful: true, Budget: 5 * sec}, false, "WARN"},
		"forced":                     {Call{Graceful: true, Budget: 5 * sec}, true, "ERROR"},
		"Stop":                       {Call{}, false, "ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				tr, _ := newTestTracer(t, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
				lis, _ := open(tr.Table())
				s, _ := tr.BeginShutdown(tt.call)
				closeListener(lis)
				time.Sleep(4 * time.Second) // of the bubble's
				if tt.forced {
					s.Forced()
				}
				s.Returned()
				s.Finish(t.Context())
				if !strings.Contains(log.String(), "level="+tt.want+" msg=\"shutdown finished\"") {
					t.Errorf("not %s:\n%s", tt.want, &log)
				}
			})
		})
	}
}
