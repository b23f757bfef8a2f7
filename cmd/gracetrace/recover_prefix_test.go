// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/spool"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// emitted is an exporter that keeps what it is sent, in the protobuf form and in
// the order in which it came.
type emitted struct {
	mu    sync.Mutex
	spans []*tracepb.TracesData // of one span each
}

func (e *emitted) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, s := range spans {
		if err := otlptrace.NewUnstarted(e).ExportSpans(ctx, []sdktrace.ReadOnlySpan{s}); err != nil {
			return err
		}
	}
	return nil
}

func (*emitted) Start(context.Context) error    { return nil }
func (*emitted) Stop(context.Context) error     { return nil }
func (*emitted) Shutdown(context.Context) error { return nil }

func (e *emitted) UploadTraces(_ context.Context, spans []*tracepb.ResourceSpans) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spans = append(e.spans, &tracepb.TracesData{ResourceSpans: spans})
	return nil
}

// tracerOf makes a Tracer that sends to e.
func (e *emitted) tracerOf(t *testing.T) *tracer.Tracer {
	t.Helper()
	tr, err := tracer.New(hermetic.Context(t.Context()),
		tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return e, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// heldRun is what a stop sends of a server that is held in every phase.
func heldRun(t *testing.T) []*tracepb.TracesData {
	t.Helper()
	e := &emitted{}
	synctest.Test(t, func(t *testing.T) {
		s, lis := server.New(e.tracerOf(t)), servertest.Listen()
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		client := greeterv1.NewGreeterClient(conn)
		for _, d := range []time.Duration{2500 * time.Millisecond, 7 * time.Second, time.Hour} {
			go func() {
				_, _ = client.SayHello(t.Context(), &greeterv1.SayHelloRequest{
					Duration: durationpb.New(d), IgnoreCancel: d < time.Hour,
				})
			}()
		}
		silent, err := lis.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		mute, err := servertest.Mute(t.Context(), lis.Dial)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		_ = s.Shutdown(ctx)
		<-served
		_, _, _ = silent.Close(), mute.Close(), conn.Close()
	})
	return e.spans
}

// heldGroup is what the stop of a group sends: two grpc servers, one after the
// other, and something that takes its time to close.
func heldGroup(t *testing.T) []*tracepb.TracesData {
	t.Helper()
	e := &emitted{}
	synctest.Test(t, func(t *testing.T) {
		tr := e.tracerOf(t)
		g := server.NewGroup(tr, server.GracePeriod(25*time.Second))
		var clients []*grpc.ClientConn
		for i, name := range []string{"api", "admin"} {
			s, lis := server.New(tr), servertest.Listen()
			greeterv1.RegisterGreeterServer(s, &greeter.Server{})
			g.Add(server.Member{
				Name: name, Server: s, Listeners: []net.Listener{lis}, After: []string{"api"}[:i],
			})
			conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, conn)
		}
		g.Add(server.Member{Name: "store", Close: func(context.Context) error {
			<-time.After(4500 * time.Millisecond)
			return nil
		}})
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, conn := range clients {
			go func() {
				_, _ = greeterv1.NewGreeterClient(conn).SayHello(t.Context(), &greeterv1.SayHelloRequest{
					Duration: durationpb.New([]time.Duration{7 * time.Second, time.Hour}[i]),
				})
			}()
		}
		synctest.Wait()
		_ = g.Stop(t.Context())
		for _, conn := range clients {
			_ = conn.Close()
		}
	})
	return e.spans
}

// TestRecoverEveryKillOfAGroup is the same for the trace of a group.
func TestRecoverEveryKillOfAGroup(t *testing.T) {
	everyKill(t, heldGroup(t))
}

// TestRecoverEveryKill: whichever span is the last that a process could write, its
// trace is whole after a recovery, and the same again after another one.
func TestRecoverEveryKill(t *testing.T) { everyKill(t, heldRun(t)) }

func everyKill(t *testing.T, all []*tracepb.TracesData) {
	t.Helper()
	if len(all) < 25 {
		t.Fatalf("%d spans: too few to be worth it", len(all))
	}
	for n := 1; n <= len(all); n++ {
		first, run := recovered(t, all[:n])
		second, again := recovered(t, all[:n])
		if diff := cmp.Diff(first, second, protocmp.Transform()); diff != "" || run != again {
			t.Errorf("another recovery sends others, %+v:\n%s", again, diff)
		}
		whole(t, first)
		want := "killed"
		if n == len(all) {
			want = "forced"
		}
		if run.Outcome != want || run.Verdict == "" {
			t.Errorf("%+v", run)
		}
		if n > 11 && !blames.MatchString(run.Verdict) {
			t.Errorf("nobody is blamed: %s", run.Verdict)
		}
		if t.Failed() {
			t.Logf("after %d spans: %s", n, run.Verdict)
			for _, s := range first {
				t.Logf("%x < %x %s", s.GetSpanId(), s.GetParentSpanId(), s.GetName())
			}
			t.FailNow()
		}
	}
}

// blames are verdicts that name somebody, or say why they do not: a member whose turn
// has just come has told nothing yet.
var blames = regexp.MustCompile(` from 10\.0\.0\.|its Close has not returned|what it told of had ended|` +
	`it told nothing of what held it`)

// recovered are the spans that a recovery sends of those that were left.
func recovered(t *testing.T, spans []*tracepb.TracesData) (sent []*tracepb.Span, run spool.Run) {
	t.Helper()
	left := &spool.Left{}
	for _, td := range spans {
		left.Lines = append(left.Lines, spool.Line{Traces: proto.Clone(td).(*tracepb.TracesData)})
	}
	e := &emitted{}
	done, err := e.tracerOf(t).Recover(t.Context(), left, false)
	if err != nil || len(done.Runs) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	run = done.Runs[0]
	if got := e.read(t); got.Outcome != tracer.Outcome(run.Outcome) || got.Verdict != run.Verdict {
		t.Errorf("the trace says %s: %s\nthe recovery %s: %s", got.Outcome, got.Verdict,
			run.Outcome, run.Verdict)
	}
	return e.all(), run
}

// read is the report of the trace.
func (e *emitted) read(t *testing.T) *tracer.Report {
	t.Helper()
	var lines []byte
	for _, td := range e.spans {
		line, err := otlpjson.Line(td)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line...)
	}
	reports, err := tracer.ReadReports(bytes.NewReader(lines))
	if err != nil || len(reports) != 1 {
		t.Fatalf("%d reports, %v", len(reports), err)
	}
	return reports[0]
}

func (e *emitted) all() (spans []*tracepb.Span) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, td := range e.spans {
		otlpjson.Each(td, func(_ *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
			spans = append(spans, s)
		})
	}
	return spans
}

// whole wants of a trace one root, no span twice, no orphan, and each inside its
// parent.
func whole(t *testing.T, spans []*tracepb.Span) {
	t.Helper()
	const slack = 2000 // ns: a member's bar begins after the group's root, its server's root may with it
	byID := make(map[string]*tracepb.Span)
	roots := 0
	for _, s := range spans {
		if byID[string(s.GetSpanId())] != nil {
			t.Errorf("%s is there twice", s.GetName())
		}
		byID[string(s.GetSpanId())] = s
		if len(s.GetParentSpanId()) == 0 && !strings.HasSuffix(s.GetName(), " started") {
			roots++
		}
	}
	if roots != 1 {
		t.Errorf("%d roots", roots)
	}
	for _, s := range spans {
		p := byID[string(s.GetParentSpanId())]
		switch {
		case len(s.GetParentSpanId()) == 0:
		case p == nil:
			t.Errorf("%s is an orphan", s.GetName())
		case strings.HasSuffix(p.GetName(), " started"): // 1 µs long, with checkpoints below it
		case s.GetStartTimeUnixNano()+slack < p.GetStartTimeUnixNano(),
			s.GetEndTimeUnixNano() > p.GetEndTimeUnixNano():
			t.Errorf("%s, %d to %d, is not inside %s, %d to %d", s.GetName(), s.GetStartTimeUnixNano(),
				s.GetEndTimeUnixNano(), p.GetName(), p.GetStartTimeUnixNano(), p.GetEndTimeUnixNano())
		}
	}
}
