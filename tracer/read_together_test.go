// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/internal/spanjson"
	"github.com/gracetrace/gracetrace/internal/spool"
)

// deployment is the parent of several stops.
var deployment = origin{parent: trace.NewSpanContext(trace.SpanContextConfig{
	TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4}, TraceFlags: trace.FlagsSampled,
})}

// killedTogether are the spans of servers of one process, with one parent, which stop
// at the same moment and are killed. The first has told most, the last nearly nothing;
// one has come to its end.
func killedTogether(t *testing.T) (each [][]sdktrace.ReadOnlySpan) {
	t.Helper()
	held := func(now time.Duration, gone time.Duration) *timeline {
		return unfinishedAt(now, listener(ms, 4*ms, 4*ms), raw(settledAt(500*ms), closedAt(500*ms)),
			conn(told(500*ms), goneAt(gone)), unary(-sec, gone),
			conn(told(500*ms)), unary(-sec, gone), stream(-time.Hour, never, inRecv(now)))
	}
	silent := func(now time.Duration) *timeline { return unfinishedAt(now, oneListener, raw()) }
	for _, tls := range [][]*timeline{
		{held(sec, 900*ms), held(3*sec, 2*sec), held(16*sec, 2*sec)},
		{silent(sec), silent(3 * sec)},
		{held(sec, 700*ms)},
		{},
	} {
		each = append(each, recordBelow(t, deployment, func(s *spans) {
			s.begin(Call{Graceful: true})
			for _, tl := range tls {
				views := tl.views()
				s.advance(tl, views)
				s.ended(tl, views)
				s.checkpoint(tl, views)
			}
		}))
	}
	return append(each, recordBelow(t, deployment, func(s *spans) { s.finish(busy()) }))
}

// ofShutdown is who they are: all begin at once.
func ofShutdown(rs []*Report) map[string]*Report {
	all := make(map[string]*Report)
	for _, r := range rs {
		all[r.Verdict] = r
	}
	return all
}

// TestReadTogether: of several servers of one process that were killed in one trace
// each is what it would be alone.
func TestReadTogether(t *testing.T) {
	var together []sdktrace.ReadOnlySpan
	var alone []*Report
	for _, spans := range killedTogether(t) {
		together = append(together, spans...)
		alone = append(alone, read(t, spanjson.OTLP(service, spans)))
	}
	for format, write := range formats {
		got, err := ReadReports(strings.NewReader(string(write(service, together))))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(ofShutdown(alone), ofShutdown(got), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-each alone +in one trace):\n%s", format, diff)
		}
	}
}

// TestRecoverTogether: each of them gets an end of its own.
func TestRecoverTogether(t *testing.T) {
	left := &spool.Left{}
	all := ""
	var alone []*Report
	for _, spans := range killedTogether(t) {
		line := spanjson.OTLP(service, spans)
		td, err := otlpjson.Parse(line)
		if err != nil {
			t.Fatal(err)
		}
		otlpjson.Each(td, func(_ *tracepb.ResourceSpans, ss *tracepb.ScopeSpans, _ *tracepb.Span) {
			ss.Scope = &commonpb.InstrumentationScope{Name: scopeName} // or they would be another's
		})
		left.Lines = append(left.Lines, spool.Line{Traces: td})
		all += string(line)
		alone = append(alone, read(t, line))
	}
	r := newRecovery(left)
	if n := len(r.endings); n != 4 {
		t.Fatalf("%d ends, want 4", n)
	}
	for _, end := range r.endings {
		line, err := otlpjson.Line(end)
		if err != nil {
			t.Fatal(err)
		}
		all += string(line)
	}
	got, err := ReadReports(strings.NewReader(all))
	if err != nil {
		t.Fatal(err)
	}
	recovered := ofShutdown(got)
	for verdict, want := range ofShutdown(alone) {
		g := recovered[verdict]
		if g == nil {
			t.Errorf("no end says %s", verdict)
			continue
		}
		if g.Unended() || g.Outcome != want.Outcome || g.Duration-want.Duration > Duration(10*us) ||
			drawnOf(g) != drawnOf(want) || len(g.Checkpoints) != len(want.Checkpoints) {
			t.Errorf("recovered:\n%s%swant\n%s", g.Duration, text(t, g), text(t, want))
		}
	}
}

// drawnOf is the names of its phases and, sorted, their bars: those that begin together
// have no order.
func drawnOf(r *Report) string {
	var lines []string
	for _, p := range r.Phases {
		var bars []string
		for _, bar := range p.Bars {
			bars = append(bars, fmt.Sprintf("  %s %d", bar.Name, len(bar.Bars)))
		}
		slices.Sort(bars)
		lines = append(append(lines, string(p.Name)), bars...)
	}
	return strings.Join(lines, "\n")
}

// TestReadOneAfterAnother: where the spans do not say whose they are, as those of an
// older gracetrace, one stop does not lengthen another of its process.
func TestReadOneAfterAnother(t *testing.T) {
	const sec = int64(1_000_000)
	base := 1_790_000_000 * sec
	stop := func(id string, at, lasts int64) []sharedSpan {
		return []sharedSpan{
			{id + "1", "", spanStarted, at + 1, at + 2, "shutdown.source=call"},
			{id + "2", id + "9", "quit", at + 1, at + 20, "shutdown.phase=quit shutdown.end.rpcs=" + id},
			{id + "3", id + "1", "checkpoint conn wait", at + 2, at + lasts, "shutdown.phase=conn_wait"},
			{id + "5", id + "3", "rpc " + id, at + 2, at + lasts,
				"shutdown.phase=conn_wait shutdown.holder.kind=rpc rpc.method=" + id},
		}
	}
	circle := []sharedSpan{{"c1", "c2", "a", base, base + 1, ""}, {"c2", "c1", "b", base, base + 900*sec, ""}}
	rs, err := ReadReports(strings.NewReader(sharedTrace(map[string][]sharedSpan{
		"pod": slices.Concat(stop("a", base, 3*sec), stop("b", base+20*sec, sec), circle),
	})))
	if err != nil || len(rs) != 2 {
		t.Fatalf("%d shutdowns, %v", len(rs), err)
	}
	for i, want := range []string{"3.0s", "1.0s"} {
		r := rs[i]
		if last := r.Phases[len(r.Phases)-1]; r.Duration.String() != want || len(r.Phases) != 2 ||
			len(last.Bars) != 1 || last.Bars[0].Name != "rpc "+"ab"[i:i+1] {
			t.Errorf("%s, want %s: %+v", r.Duration, want, r.Phases)
		}
	}
}
