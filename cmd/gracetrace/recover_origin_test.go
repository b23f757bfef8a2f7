// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/testing/protocmp"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	rolloutTrace = "0af7651916cd43dd8448eb211c80319c"
	rolloutSpan  = "b7ad6b7169203331"
)

// deployed is a context with the span of whoever deploys, and whatever flags it has.
func deployed(t *testing.T, flags trace.TraceFlags, state string) context.Context {
	t.Helper()
	traceID, _ := trace.TraceIDFromHex(rolloutTrace)
	spanID, _ := trace.SpanIDFromHex(rolloutSpan)
	ts, err := trace.ParseTraceState(state)
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: traceID, SpanID: spanID, TraceFlags: flags, TraceState: ts,
	}))
}

// stopped are the spans of a stop that a silent client holds: of a server or, group,
// of one in a group.
func stopped(t *testing.T, group bool, opts ...tracer.Option) []*tracepb.TracesData {
	t.Helper()
	e := &emitted{}
	synctest.Test(t, func(t *testing.T) {
		tr, err := tracer.New(t.Context(), append([]tracer.Option{
			tracer.WithLogger(slog.New(slog.DiscardHandler)),
			tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return e, nil }),
		}, opts...)...)
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		s, lis := server.New(tr), servertest.Listen()
		g := server.NewGroup(tr)
		if group {
			g.Add(server.Member{Name: "api", Server: s, Listeners: []net.Listener{lis}})
			if err := g.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			go func() { _ = s.Serve(lis) }() // the stop ends it
		}
		port, err := lis.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if group {
			_ = g.Stop(ctx)
		} else {
			_ = s.Shutdown(ctx)
		}
		_ = port.Close()
	})
	return e.spans
}

// rootOf is the one whose outcome is told.
func rootOf(t *testing.T, spans []*tracepb.Span) *tracepb.Span {
	t.Helper()
	names := []string{"shutdown", "grpc.server.shutdown"} // of a group, if there is one
	for _, name := range names {
		for _, s := range spans {
			if s.GetName() == name {
				return s
			}
		}
	}
	t.Fatal("no root")
	return nil
}

// TestRecoverOrigin: whichever span is the last that a killed process could write,
// its recovered root has the parent and the links that the finished one has.
func TestRecoverOrigin(t *testing.T) {
	for _, tt := range []struct {
		name   string
		env    [2]string // TRACEPARENT, TRACESTATE
		flags  trace.TraceFlags
		state  string
		parent bool
	}{
		{name: "none"},
		{name: "link", env: [2]string{"00-" + rolloutTrace + "-" + rolloutSpan + "-01", "a=b"}},
		{name: "link, not sampled", env: [2]string{"00-" + rolloutTrace + "-" + rolloutSpan + "-00", "?"}},
		{name: "parent", parent: true, flags: trace.FlagsSampled},
		{name: "parent, not sampled", parent: true},
		{name: "parent with more", parent: true, flags: 3, state: "a=b,c=d"},
		{
			name: "both", parent: true, flags: trace.FlagsSampled,
			env: [2]string{"00-" + strings.Repeat("7", 32) + "-" + rolloutSpan + "-01", ""},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("TRACEPARENT", tt.env[0])
			t.Setenv("TRACESTATE", tt.env[1])
			var opts []tracer.Option
			if tt.parent {
				opts = append(opts, tracer.WithParent(deployed(t, tt.flags, tt.state)))
			}
			for _, group := range []bool{false, true} {
				sameOrigin(t, stopped(t, group, opts...), tt.parent)
			}
		})
	}
}

// sameOrigin compares the finished root, of a trace all of whose spans are given, with
// those of its recoveries.
func sameOrigin(t *testing.T, all []*tracepb.TracesData, parent bool) {
	t.Helper()
	origin := func(s *tracepb.Span) *tracepb.Span {
		return &tracepb.Span{
			TraceId: s.GetTraceId(), ParentSpanId: s.GetParentSpanId(), TraceState: s.GetTraceState(),
			Flags: s.GetFlags(), Links: s.GetLinks(),
		}
	}
	want := origin(rootOf(t, (&emitted{spans: all}).all()))
	if has := len(want.GetParentSpanId()) > 0; has != parent {
		t.Errorf("the finished root has a parent: %t", has)
	}
	for n := 1; n <= len(all); n++ {
		spans, run := recovered(t, all[:n])
		root := rootOf(t, spans)
		if diff := cmp.Diff(want, origin(root), protocmp.Transform()); diff != "" {
			t.Errorf("after %d spans, %s (-finished +recovered):\n%s", n, run.Outcome, diff)
		}
		for _, kv := range root.GetAttributes() {
			if strings.HasPrefix(kv.GetKey(), "shutdown.parent") {
				t.Errorf("the root has %s", kv)
			}
		}
	}
}
