// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gracetrace/gracetrace/internal/spanjson"
)

const service = "greeter"

// formats are how spans come to us.
var formats = map[string]func(string, []sdktrace.ReadOnlySpan) []byte{
	"OTLP": spanjson.OTLP, "Jaeger's UI": spanjson.Jaeger, "Jaeger's API": spanjson.JaegerV3,
	"OTLP lines": func(service string, spans []sdktrace.ReadOnlySpan) (b []byte) {
		for i := len(spans); i > 0; i-- {
			b = append(b, spanjson.OTLP(service, spans[i-1:i])...)
		}
		return b
	},
}

// read reads one report.
func read(t *testing.T, data []byte) *Report {
	t.Helper()
	rs, err := ReadReports(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(rs) != 1 {
		t.Fatalf("%d reports, want 1", len(rs))
	}
	return rs[0]
}

// laidOut compares a report with one that was read from its spans: neighbours
// are drawn some ticks apart, and those that start together have no order.
func laidOut(ticks int) cmp.Options {
	limit := time.Duration(ticks) * tick
	return cmp.Options{
		cmp.Comparer(func(a, b Duration) bool {
			return time.Duration(a-b).Abs() <= limit || max(a, b) < -maxMoment // of never
		}),
		cmp.Comparer(func(a, b time.Time) bool { return a.Sub(b).Abs() <= limit }),
		cmpopts.IgnoreFields(Report{}, "Spans", "Version"),
		cmpopts.IgnoreFields(Holder{}, "SpanID"), // known from spans alone
		cmpopts.EquateEmpty(),
		cmpopts.SortSlices(func(a, b Bar) bool { return a.Name+a.Note < b.Name+b.Note }),
	}
}

// phaseTicks is how far apart all phases together are drawn.
const phaseTicks = 16

// TestReadSpans: what a report tells can be read back from its spans, in each
// format.
func TestReadSpans(t *testing.T) {
	for name, tl := range map[string]*timeline{
		"busy": busy(),
		"forced": returnedAt(25*sec, oneListener, raw(settledAt(3*sec), closedAt(3*sec)),
			conn(told(3*sec), goneAt(24*sec)), stream(-time.Hour, 24*sec, inRecv(24*sec)),
			unary(-sec, 25*sec), forcedAt(24*sec-900*us)),
		"given up": unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(5*sec)), forcedAt(5*sec),
			unary(0, never), givenUp),
		"Stop": returnedAt(sec, oneListener, conn(goneAt(ms)), unary(-sec, sec), onlyStop),
		"stack": returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)), unary(-sec, 9*sec),
			dumpAt3s(func(d *dump) {
				d.rpcs[1] = stackLine{function: "main.greet", source: "main.go:88", text: "main.greet\n"}
			})),
		"empty": returnedAt(0, oneListener),
		"ServeHTTP": returnedAt(8*sec, ofVersion("1.85.0"), awaits(5*sec), unary(-sec, 5*sec, throughOurs),
			stream(-sec, 8*sec, throughHTTP)),
	} {
		call := Call{Graceful: tl.graceful, GRPCVersion: "1.85.0"}
		r, spans := reported(t, tl, call)
		for format, write := range formats {
			t.Run(name+", "+format, func(t *testing.T) {
				got := read(t, write(service, spans))
				if diff := cmp.Diff(r, got, laidOut(phaseTicks)); diff != "" {
					t.Errorf("(-report +read from its spans):\n%s", diff)
				}
			})
		}
	}
}

// reported returns a report with something in every field, and its spans.
func reported(tb testing.TB, tl *timeline, call Call) (*Report, []sdktrace.ReadOnlySpan) {
	tb.Helper()
	all := everything()
	var r *Report
	spans := record(tb, func(s *spans) {
		views := tl.views()
		s.begin(call)
		r = tl.report(views, s.wall)
		r.Service, r.TraceID, r.GRPC = service, s.traceID.String(), call.GRPCVersion
		r.Clients, r.Notes = all.Clients, all.Notes
		s.advance(tl, views)
		s.end(tl, r, call, tl.longest(views))
	})
	return r, spans
}

// TestReadRandom: any timeline.
func TestReadRandom(t *testing.T) {
	for seed := range uint64(100) {
		tl := random(rand.New(rand.NewPCG(seed, 9)))
		if tl.returned > tl.now {
			givenUp(tl)
		}
		r, spans := reported(t, tl, Call{Graceful: tl.graceful})
		got := read(t, spanjson.Jaeger(service, spans))
		// Its bars may be shorter than what their spans are drawn apart.
		opts := append(laidOut(2000), cmpopts.IgnoreFields(PhaseReport{}, "Bars"))
		if diff := cmp.Diff(r, got, opts); diff != "" {
			t.Fatalf("seed %d (-report +read):\n%s", seed, diff)
		}
	}
}

// TestReadCrowd: a phase lists as many bars as its report, and says how many
// more there were.
func TestReadCrowd(t *testing.T) {
	tl := crowd()
	r, spans := reported(t, tl, Call{Graceful: true})
	got := read(t, spanjson.OTLP(service, spans))
	for i, p := range got.Phases {
		want := r.Phases[i].Bars
		count := func(bars []Bar) (n int) {
			for _, b := range bars {
				n += max(1, b.More)
			}
			return n
		}
		if len(p.Bars) > maxBars+1 || count(p.Bars) != count(want) {
			t.Errorf("%s: %d bars for %d holders, in its report %d for %d", p.Name,
				len(p.Bars), count(p.Bars), len(want), count(want))
		}
	}
}

// TestReadOwn: what WriteJSON writes, one after another; the oldest first.
func TestReadOwn(t *testing.T) {
	var b bytes.Buffer
	late, early := everything(), everything()
	early.Start = early.Start.Add(-time.Hour)
	for _, r := range []*Report{late, early} {
		if err := r.WriteJSON(&b); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadReports(&b)
	if diff := cmp.Diff([]*Report{early, late}, got); err != nil || diff != "" {
		t.Errorf("%v (-written +read):\n%s", err, diff)
	}
}

// killedAfter returns the spans of a shutdown that is killed at some time, with
// what it told until then.
func killedAfter(tb testing.TB, at ...*timeline) []sdktrace.ReadOnlySpan {
	tb.Helper()
	return record(tb, func(s *spans) {
		s.begin(Call{Graceful: true})
		for _, tl := range at {
			views := tl.views()
			s.advance(tl, views)
			s.ended(tl, views)
			s.checkpoint(tl, views)
		}
	})
}

// TestReadKilled: without a root, the last checkpoint tells what held it.
func TestReadKilled(t *testing.T) {
	held := func(now time.Duration) *timeline {
		return unfinishedAt(now, listener(ms, 4*ms, 4*ms), raw(settledAt(500*ms), closedAt(500*ms)),
			conn(told(500*ms), goneAt(2*sec)), unary(-sec, 2*sec),
			conn(told(500*ms)), stream(-time.Hour, never, inRecv(now)))
	}
	for format, write := range formats {
		r := read(t, write(service, killedAfter(t, held(sec), held(3*sec), held(16*sec))))
		if r.Outcome != OutcomeKilled || r.Duration != Duration(16*sec) || r.Call != "GracefulStop" {
			t.Errorf("%s: %s after %s, %s", format, r.Outcome, r.Duration, r.Call)
		}
		last := held(16 * sec)
		views := last.views()
		want := "killed in conn wait after at least 16.0s: " + last.verdictSoFar(&views[4])
		if diff := cmp.Diff(want, r.Verdict); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
		var phases []string
		for _, p := range r.Phases {
			phases = append(phases, fmt.Sprintf("%s %s %t %d", p.Name, p.Duration, p.Open, len(p.Bars)))
		}
		if diff := cmp.Diff([]string{
			"quit 998µs false 0", "listener close 3.0ms false 1", "handshake wait 496ms false 1",
			"GOAWAY 1µs false 0", "conn wait 15.5s true 2",
		}, phases); diff != "" {
			t.Errorf("%s: phases (-want +got):\n%s", format, diff)
		}
		open := r.Phases[4]
		rpc := open.Bars[1]
		if c := open.Culprit; c == nil || c.Method != "greeter.v1.Greeter/Chat" || !rpc.Culprit ||
			!rpc.Open || rpc.Duration.String() != "15.5s" || open.Bars[0].Bars[0].Name != "rpc Greeter/SayHello" {
			t.Errorf("%s: culprit %+v, bars %+v", format, c, open.Bars)
		}
		if len(r.Checkpoints) != 3 || r.Checkpoints[1].Offset != Duration(3*sec) || len(r.Notes) != 2 {
			t.Errorf("%s: %+v, notes %v", format, r.Checkpoints, r.Notes)
		}
	}
	r := read(t, spanjson.OTLP(service, killedAfter(t)))
	if r.Verdict != "killed after at least 2µs: it told nothing of what held it" {
		t.Error(r.Verdict)
	}
}

// TestReadSeveral: other traces are ignored, two shutdowns are two reports.
func TestReadSeveral(t *testing.T) {
	_, first := reported(t, busy(), Call{Graceful: true})
	second := killedAfter(t, unfinishedAt(sec, oneListener, conn(told(0)), unary(0, never)))
	other := strings.ReplaceAll(string(spanjson.OTLP("other", second)), spanRoot, "GET /")
	other = strings.ReplaceAll(other, second[0].SpanContext().TraceID().String(), strings.Repeat("ab", 16))
	data := other + string(spanjson.Jaeger(service, first)) + string(spanjson.JaegerV3(service, second)) +
		string(spanjson.JaegerV3(service, second)) // sent again
	rs, err := ReadReports(strings.NewReader(data))
	if err != nil || len(rs) != 2 {
		t.Fatalf("%d reports, want 2: %v", len(rs), err)
	}
}

// TestReadStacks: handlers in the same place share a stack; one that is seen in
// two phases is one.
func TestReadStacks(t *testing.T) {
	at := func(text string, s *spans, parent trace.SpanID, name string, kind HolderKind) {
		s.emit(newSpanID(), parent, name, bounds{0, sec}, []attr{
			{keyKind, string(kind)}, {keyRPCMethod, "a.B/C"}, {keyFunction, "main.C"},
			{keyCodeSource, "main.go:7"}, {keyStacktrace, text}, {keyStackAt, 3.0},
		})
	}
	spans := record(t, func(s *spans) {
		for _, phase := range []Phase{PhaseConnWait, PhaseHandlerWait} {
			id, kind := newSpanID(), HolderRPC
			if phase == PhaseHandlerWait {
				kind = HolderHandler
			}
			at("main.C\n\tmain.go:7", s, id, "rpc B/C", kind)
			at("main.C\n\tmain.go:7", s, id, "rpc B/C", kind)
			at("main.D\n\tmain.go:9", s, id, "rpc B/C", kind)
			s.emit(id, s.root, string(phase), bounds{0, sec}, []attr{{keyPhase, string(phase)}})
		}
		s.emit(s.root, trace.SpanID{}, spanRoot, bounds{0, sec}, []attr{{keyOutcome, "graceful"}})
	})
	for format, write := range formats {
		r := read(t, write(service, spans))
		n := 0
		for _, s := range r.Stacks {
			n += s.Handlers
			if s.Offset != Duration(3*sec) {
				t.Errorf("%s: taken at %s, want 3.0s", format, s.Offset)
			}
		}
		if len(r.Stacks) != 2 || n != 3 || r.Phases[0].Bars[0].Stack == 0 {
			t.Errorf("%s: %+v, bars %+v", format, r.Stacks, r.Phases[0].Bars)
		}
	}
}
