// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/google/go-cmp/cmp"
)

// groupTracer gives its spans to k and its records to log.
func groupTracer(t *testing.T, k *sink, log *strings.Builder) *Tracer {
	t.Helper()
	tr, err := New(t.Context(), WithExporter(k.factory), WithLogger(slog.New(slog.NewTextHandler(log,
		&slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "trace_id" {
				return slog.Attr{}
			}
			return a
		}}))))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// treeOf prints spans as a tree, from a start.
func treeOf(spans []sdktrace.ReadOnlySpan, start time.Time) string {
	var b strings.Builder
	var below func(parent, indent string)
	below = func(parent, indent string) {
		for _, s := range spans {
			if s.Parent().SpanID().String() == parent {
				fmt.Fprintf(&b, "%s%s %s..%s\n", indent, s.Name(),
					s.StartTime().Sub(start), s.EndTime().Sub(start))
				below(s.SpanContext().SpanID().String(), indent+"  ")
			}
		}
	}
	below("0000000000000000", "")
	return b.String()
}

// TestGroup: an HTTP server is forced while a database waits for its turn, takes
// its time and fails.
func TestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k sink
		var log strings.Builder
		tr := groupTracer(t, &k, &log)
		defer tr.Close()
		start := time.Now()
		g := tr.BeginGroup(10 * time.Second)
		metrics := g.Begin(MemberReport{Name: "metrics", Kind: memberHTTP, BudgetLeft: Duration(10 * sec)})
		waited := metrics.Phase(PhaseConnWait, answering())
		time.Sleep(2500 * ms) // of the bubble's
		waited()
		forced := metrics.Phase(PhaseForcedStop, nil)
		time.Sleep(10 * ms)
		forced()
		metrics.Connections(3, 1, 1, 2)
		metrics.End(errors.New("1 request was cut"), true)
		database := g.Begin(MemberReport{Name: "database", Kind: memberClose, After: []string{"metrics"},
			BudgetLeft: Duration(7490 * ms)})
		time.Sleep(1 * sec)
		database.End(errors.New("disk full"), false)
		r := g.Finish(context.Background())
		if again := g.Finish(context.Background()); again != r {
			t.Error("two Finishes, two reports")
		}
		want := "metrics took 2.5s of 3.5s: conn wait took 2.5s of 2.5s: connection from 10.0.0.9:4711, " +
			"open 4.0s, a request is being answered; the forced stop released it; database failed: disk full"
		if r.Verdict != want || r.Outcome != OutcomeForced {
			t.Errorf("%s: %s\nwant %s", r.Outcome, r.Verdict, want)
		}
		if diff := cmp.Diff(`shutdown started 1µs..2µs
  checkpoint shutdown 2µs..1s
    member metrics 2µs..1s
  checkpoint shutdown 1.000001s..3s
    member database 2.51s..3s
shutdown 0s..3.510001s
  member metrics 2µs..2.51s
    conn wait 2µs..2.5s
      connection 2µs..2.5s
    forced stop 2.500001s..2.51s
  member database 2.51s..3.51s
`, treeOf(k.spans, start)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		want = `level=ERROR msg="shutdown finished" outcome=forced duration_ms=3510`
		if !strings.Contains(log.String(), want) {
			t.Errorf("want %s in\n%s", want, log.String())
		}
	})
}

// TestGroupJaegerURL: the link leads to whom the verdict names: the RPC of a grpc
// server, or the member itself.
func TestGroupJaegerURL(t *testing.T) {
	t.Setenv(envUIURL, "http://localhost:16686/")
	for want, stop := range map[string]func(*handmadeGroup){
		"rpc Greeter/SayHello": func(h *handmadeGroup) { h.server("api", 2*sec, false) },
		"member database":      func(h *handmadeGroup) { h.closes("database", 2*sec, nil) },
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newGroup(t)
			h.Group = h.tr.BeginGroup(10 * sec)
			stop(h)
			r, spans := h.finish()
			_, id, _ := strings.Cut(r.JaegerURL, "/trace/"+r.TraceID+"?uiFind=")
			i := slices.IndexFunc(spans, func(s sdktrace.ReadOnlySpan) bool {
				return s.SpanContext().SpanID().String() == id
			})
			if i < 0 || spans[i].Name() != want {
				t.Errorf("%s is not that of %s", r.JaegerURL, want)
			}
		})
	}
}

// TestGroupJaegerURLSoFar: while a group stops, the link leads to no member that has
// stopped, however long that took.
func TestGroupJaegerURLSoFar(t *testing.T) {
	t.Setenv(envUIURL, "http://localhost:16686/")
	synctest.Test(t, func(t *testing.T) {
		h := newGroup(t)
		h.Group = h.tr.BeginGroup(10 * sec)
		h.closes("database", 3*sec, nil)
		time.Sleep(4 * sec) // of the bubble's
		h.closes("cache", 2*sec, nil)
		time.Sleep(sec)
		r := h.soFar()
		if want := "http://localhost:16686/trace/" + r.TraceID; r.JaegerURL != want ||
			!strings.HasPrefix(r.Verdict, "cache: ") {
			t.Errorf("%s of %q, want %s", r.JaegerURL, r.Verdict, want)
		}
		h.finish()
	})
}

// TestGroupVerdict: who was forced comes before who only took longer.
func TestGroupVerdict(t *testing.T) {
	member := func(name string, took time.Duration, outcome Outcome, verdict string) *Report {
		return &Report{
			Outcome: outcome, Duration: Duration(took), Verdict: verdict, Member: &MemberReport{Name: name},
		}
	}
	slow := member("api", 9*sec, OutcomeGraceful, "conn wait took 9.0s of 9.0s: rpc")
	idle := member("database", 2*sec, OutcomeGraceful, "graceful in 2.0s")
	cut := member("metrics", 3*sec, OutcomeForced, "forced after 3.0s: it hangs")
	for _, tt := range []struct {
		name    string
		outcome Outcome
		members []*Report
		want    string
	}{
		{"the longest", OutcomeGraceful, []*Report{idle, slow},
			"api took 9.0s of 9.0s: conn wait took 9.0s of 9.0s: rpc"},
		{"nothing held it", OutcomeGraceful, []*Report{idle},
			"graceful in 9.0s, of which database took 2.0s"},
		{"the one that was forced", OutcomeForced, []*Report{slow, cut, idle},
			"metrics took 3.0s of 9.0s: forced after 3.0s: it hangs"},
		{"an empty group", OutcomeGraceful, nil, "graceful in 9.0s, it had no members"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &Report{Outcome: tt.outcome, Duration: Duration(9 * sec), Members: tt.members}
			if got := groupVerdict(r, ""); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
