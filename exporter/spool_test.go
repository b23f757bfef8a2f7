// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package exporter

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/internal/spool"
)

// spooling runs f in a bubble with a session on exp that has a spool in a
// directory of the test's own.
func spooling(t *testing.T, exp *fake, f func(t *testing.T, e *Exporter, s *Session)) (dir string) {
	t.Helper()
	clean(t)
	dir = filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, Config{Factory: exp.factory, ScopeName: "test", SpoolDir: dir})
		f(t, e, e.Open())
	})
	return dir
}

// inSpool reads what is left in a directory: the spans' names, those that the
// collector is known to have with a + in front.
func inSpool(t *testing.T, dir string) (names []string) {
	t.Helper()
	d, err := spool.OpenExisting(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Left(time.Time{}, func(l *spool.Left) bool {
		for _, line := range l.Lines {
			for _, name := range namesIn(line.Traces) {
				if line.Taken {
					name = "+" + name
				}
				names = append(names, name)
			}
		}
		return true
	}); err != nil {
		t.Error(err)
	}
	return names
}

func namesIn(td *tracepb.TracesData) (names []string) {
	otlpjson.Each(td, func(_ *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
		names = append(names, s.GetName())
	})
	return names
}

func wantSpooled(t *testing.T, got Result, sent, spooled int, lost map[string]int) {
	t.Helper()
	want := Result{Sent: sent, Spooled: spooled, Lost: lost}
	if diff := cmp.Diff(want, Result{Sent: got.Sent, Spooled: got.Spooled, Lost: got.Lost}); diff != "" {
		t.Errorf("result (-want +got), err %v:\n%s", got.Err, diff)
	}
}

// TestSpoolKeepsWhatIsNotTaken: the collector goes away in the middle.
func TestSpoolKeepsWhatIsNotTaken(t *testing.T) {
	exp := &fake{export: func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
		if call > 1 {
			return errRefused
		}
		return nil
	}}
	dir := spooling(t, exp, func(t *testing.T, _ *Exporter, s *Session) {
		s.Emit(span(1, "a"))
		synctest.Wait()
		s.Emit(span(2, "b"))
		s.Emit(span(3, "c"))
		wantSpooled(t, s.Flush(t.Context()), 1, 2, nil)
	})
	got := inSpool(t, dir)
	if diff := cmp.Diff([]string{"+a", "b", "c"}, got); diff != "" {
		t.Errorf("spool (-want +got):\n%s", diff)
	}
}

// TestSpoolIsEmptyAfterwards: of what the collector has nothing is left, although
// all of it was written first.
func TestSpoolIsEmptyAfterwards(t *testing.T) {
	exp := &fake{}
	var dir string
	exp.export = func(context.Context, int, []sdktrace.ReadOnlySpan) error { return nil }
	dir = spooling(t, exp, func(t *testing.T, e *Exporter, s *Session) {
		s.Emit(span(1, "a"))
		synctest.Wait()
		if entries, err := os.ReadDir(e.cfg.SpoolDir); err != nil || len(entries) == 0 {
			t.Errorf("nothing was written ahead: %v", err)
		}
		s.Emit(span(2, "b"))
		wantSpooled(t, flushIn(t, s, 0), 2, 0, nil)
	})
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// TestRejectedSpansAreNotSpooled: the collector has decided about them.
func TestRejectedSpansAreNotSpooled(t *testing.T) {
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error {
		return &partialError{rejected: 1, msg: "no"}
	}}
	dir := spooling(t, exp, func(t *testing.T, _ *Exporter, s *Session) {
		s.Emit(span(1, "a"))
		s.Emit(span(2, "b"))
		wantSpooled(t, s.Flush(t.Context()), 1, 0, map[string]int{lostRejected: 1})
	})
	if got := inSpool(t, dir); got != nil {
		t.Errorf("left: %v", got)
	}
}

// badStore fails, or hangs, from a write or from a moment on.
type badStore struct {
	after int
	from  time.Time // zero: after counts
	err   error
	said  error // what broken returns
	hang  chan struct{}
	gone  bool

	mu     sync.Mutex
	writes int
	cut    bool
}

func (b *badStore) open() error      { return nil }
func (b *badStore) took(int64) error { return nil }
func (b *badStore) close(bool) error {
	if b.gone {
		return errGone
	}
	return nil
}

func (b *badStore) broken() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cut = true
	return b.said
}

func (b *badStore) write([]byte) (int64, error) {
	b.mu.Lock()
	b.writes++
	bad := b.writes > b.after
	if !b.from.IsZero() {
		bad = !time.Now().Before(b.from)
	}
	b.mu.Unlock()
	if bad && b.hang != nil {
		<-b.hang
	}
	if bad {
		return 0, b.err
	}
	return 0, nil
}

// withStore opens a session whose spool is st.
func withStore(t *testing.T, e *Exporter, st store) *Session {
	t.Helper()
	s := e.Open()
	p := newSpooler(st, spool.FileLine, func(err error) { e.spoolOff("test", err) })
	s.q.spools = []*spooler{p}
	go p.run()
	return s
}

// TestSpoolThatFails: said once, counted, and what was written before counts.
func TestSpoolThatFails(t *testing.T) {
	clean(t)
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error { return errRefused }}
	l := &logs{}
	st := &badStore{after: 1, err: errors.New("no space left on device")}
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, Config{Factory: exp.factory, Logger: l.logger()})
		s := withStore(t, e, st)
		for n := range 5 {
			s.Emit(span(n, "x"))
			synctest.Wait()
		}
		wantSpooled(t, flushIn(t, s, 0), 0, 1, map[string]int{lostSpool: 4})
	})
	if l.count("no space left") != 1 || !st.cut || st.writes != 2 {
		t.Errorf("cut %t, %d writes, log:\n%s", st.cut, st.writes, l)
	}
}

// TestSpoolThatIsGone: a write that fails because the spool was removed says so of
// what was written before, too. The end, which finds it out as well, may be late.
func TestSpoolThatIsGone(t *testing.T) {
	clean(t)
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error { return errRefused }}
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, Config{Factory: exp.factory})
		s := withStore(t, e, &badStore{after: 1, err: errors.New("no such file"), said: errGone})
		for n := range 3 {
			s.Emit(span(n, "x"))
			synctest.Wait()
		}
		wantSpooled(t, flushIn(t, s, 0), 0, 0, map[string]int{lostSpool: 3})
	})
}

// TestSpoolThatHangs: what hung before the flush costs nothing, what hangs in it
// 250 ms. It is said once.
func TestSpoolThatHangs(t *testing.T) {
	clean(t)
	for name, test := range map[string]struct {
		before time.Duration // of the flush
		costs  time.Duration
	}{
		"before": {time.Second, 0}, "in the flush": {0, stuckAfter},
		"right before": {100 * time.Millisecond, 150 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			exp, l := &fake{}, &logs{}
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, Config{Factory: exp.factory, Logger: l.logger()})
				hang := make(chan struct{})
				s := withStore(t, e, &badStore{hang: hang})
				s.Emit(span(1, "x"))
				synctest.Wait()
				time.Sleep(test.before)
				for n := range 2 * queueSpans {
					s.Emit(span(n, "x"))
				}
				start := time.Now()
				r := s.Flush(t.Context())
				if took := time.Since(start); took != test.costs {
					t.Errorf("Flush took %v, want %v", took, test.costs)
				}
				if total(r) != 2*queueSpans+1 || r.Spooled != 0 {
					t.Errorf("result %+v", r)
				}
				s.Flush(t.Context())
				close(hang)
			})
			if l.count("it hangs") != 1 || l.count("spool off") != 1 {
				t.Errorf("log:\n%s", l)
			}
		})
	}
}

// TestSpoolDirIsOff: without a directory the session is as without a spool, and
// it is said once.
func TestSpoolDirIsOff(t *testing.T) {
	clean(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := &logs{}
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error { return errRefused }}
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(file, "spool")
		e := mustNew(t, Config{Factory: exp.factory, SpoolDir: dir, Logger: l.logger()})
		e.Recover(func(context.Context, *spool.Left) { t.Error("something is left") })
		for range 2 {
			s := e.Open()
			s.Emit(span(1, "x"))
			wantSpooled(t, s.Flush(t.Context()), 0, 0, map[string]int{lostUnreachable: 1})
		}
	})
	if l.count("spool off") != 1 {
		t.Errorf("log:\n%s", l)
	}
}

// TestSpooledIsWhatIsSent: the same bytes, so that Jaeger merges the two. It is
// also what the collector gets when it is sent again, from the file or made anew.
func TestSpooledIsWhatIsSent(t *testing.T) {
	c := startCollector(t, "", nil)
	dir := filepath.Join(t.TempDir(), "spool")
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr, "OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=a<b")
	e := mustNew(t, Config{ScopeName: "test", ScopeVersion: "v1", SchemaURL: "https://x/1", SpoolDir: dir})
	link := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{7}, SpanID: trace.SpanID{7}, TraceFlags: 1, Remote: true,
	})
	odd := span(2, "odd")
	odd.Parent = trace.SpanID{9}
	odd.Links = []trace.Link{{
		SpanContext: link, Attributes: []attribute.KeyValue{attribute.String("a", "b")},
	}}
	odd.ErrorType, odd.StatusMessage = "killed", "<x>"
	odd.Attributes = []attribute.KeyValue{
		attribute.String("s", "ü<\n"), attribute.Int64("i", -1<<63), attribute.Float64("f", 1e-9),
		attribute.Bool("b", false), attribute.StringSlice("ss", []string{"", "a"}),
	}
	far := span(3, "far")
	far.RemoteParent = link.WithTraceID(far.TraceID)

	s := e.Open()
	var spans []*entry
	for _, sp := range []Span{span(1, "plain"), odd, far} {
		q := newQueue()
		sp.record(newProvider(e.res, q).Tracer("test", trace.WithInstrumentationVersion("v1"),
			trace.WithSchemaURL("https://x/1")))
		spans = append(spans, q.spans...)
		s.Emit(sp)
	}
	wantSpooled(t, s.Flush(t.Context()), 3, 0, nil)
	td, err := traces(spans)
	if err != nil {
		t.Fatal(err)
	}
	line, err := otlpjson.Line(td)
	if err != nil {
		t.Fatal(err)
	}
	read, err := otlpjson.Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Send(t.Context(), []*tracepb.TracesData{read}, func(int) {}); err != nil {
		t.Fatal(err)
	}
	var again []*entry
	for _, sp := range remade(read) {
		again = append(again, &entry{span: sp})
	}
	anew, err := traces(again)
	if err != nil {
		t.Fatal(err)
	}
	want := byID(t, c.traces[:len(c.traces)-1])
	for name, got := range map[string][]*tracepb.ResourceSpans{
		"spooled": read.ResourceSpans, "sent again": c.traces[len(c.traces)-1:], "made anew": anew.ResourceSpans,
	} {
		if diff := cmp.Diff(want, byID(t, got)); diff != "" {
			t.Errorf("%s differs from what was sent (-sent +%s):\n%s", name, name, diff)
		}
	}
}

// byID is each span with what it is in, in protobuf's text.
func byID(t *testing.T, all []*tracepb.ResourceSpans) map[string]string {
	t.Helper()
	out := make(map[string]string)
	otlpjson.Each(&tracepb.TracesData{ResourceSpans: all},
		func(rs *tracepb.ResourceSpans, ss *tracepb.ScopeSpans, s *tracepb.Span) {
			one := proto.Clone(rs).(*tracepb.ResourceSpans)
			one.ScopeSpans = []*tracepb.ScopeSpans{{
				Scope: ss.Scope, SchemaUrl: ss.SchemaUrl, Spans: []*tracepb.Span{s},
			}}
			b, err := proto.MarshalOptions{Deterministic: true}.Marshal(one)
			if err != nil {
				t.Fatal(err)
			}
			out[s.Name] = string(b)
		})
	return out
}

// TestSpoolLog: the log gets nothing as long as the collector takes all, and all
// of it, from the beginning, once it does not.
func TestSpoolLog(t *testing.T) {
	clean(t)
	for name, test := range map[string]struct {
		export func(context.Context, int, []sdktrace.ReadOnlySpan) error
		want   []string // of spans, after each second
	}{
		"taken": {nil, []string{"", "", ""}},
		"gone later": {func(_ context.Context, call int, _ []sdktrace.ReadOnlySpan) error {
			if call > 1 {
				return errRefused
			}
			return nil
		}, []string{"", "0 1", "0 1 2"}},
		"never there": {func(context.Context, int, []sdktrace.ReadOnlySpan) error { return errRefused },
			[]string{"0", "0 1", "0 1 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			exp := &fake{export: test.export}
			synctest.Test(t, func(t *testing.T) {
				w := &logs{}
				e := mustNew(t, Config{Factory: exp.factory, SpoolLog: w})
				s := e.Open()
				var got []string
				for n := range 3 {
					s.Emit(span(n, string(rune('0'+n))))
					time.Sleep(time.Second)
					synctest.Wait()
					got = append(got, strings.Join(logged(t, w), " "))
				}
				r := s.Flush(t.Context())
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("in the log (-want +got):\n%s", diff)
				}
				if r.Sent+r.Spooled != 3 {
					t.Errorf("result %+v", r)
				}
			})
		})
	}
}

// logged are the names of the spans in a log.
func logged(t *testing.T, w *logs) (names []string) {
	t.Helper()
	l, err := spool.ReadLog(strings.NewReader(w.String()))
	if err != nil || l.Damaged > 0 {
		t.Errorf("%v, %d lines damaged", err, l.Damaged)
	}
	for _, line := range l.Lines {
		names = append(names, namesIn(line.Traces)...)
	}
	return names
}

// TestSpoolLogLines: no line is longer than a container runtime takes, one span
// longer than that among them.
func TestSpoolLogLines(t *testing.T) {
	clean(t)
	w := &logs{}
	exp := &fake{export: func(context.Context, int, []sdktrace.ReadOnlySpan) error { return errRefused }}
	synctest.Test(t, func(t *testing.T) {
		e := mustNew(t, Config{Factory: exp.factory, SpoolLog: w})
		s := e.Open()
		for n := range 100 {
			sp := span(n, "x")
			sp.Attributes = []attribute.KeyValue{attribute.String("a", strings.Repeat("ü", 20*n))}
			s.Emit(sp)
		}
		long := span(100, "long")
		for range 30 {
			long.Attributes = append(long.Attributes, attribute.String(
				strings.Repeat("k", len(long.Attributes)), strings.Repeat("<", 4<<10)))
		}
		long.Attributes = append(long.Attributes,
			attribute.StringSlice("list", []string{strings.Repeat("ü", 20<<10)}))
		s.Emit(long)
		wantSpooled(t, s.Flush(t.Context()), 0, 101, nil)
	})
	for _, line := range bytes.SplitAfter([]byte(w.String()), []byte("\n")) {
		if len(line) > spool.LogLine {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	if n := len(logged(t, w)); n != 101 || w.count(keyShortened) != 1 {
		t.Errorf("%d spans, %d shortened", n, w.count(keyShortened))
	}
}
