// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// bars is an exporter that keeps the spans, to show those that have a parent.
type bars struct {
	mu    sync.Mutex // guards following
	spans []sdktrace.ReadOnlySpan
}

func (b *bars) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spans = append(b.spans, spans...)
	return nil
}

func (*bars) Shutdown(context.Context) error { return nil }

func (b *bars) option() tracer.Option {
	return tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return b, nil })
}

// tree is the trace below the span of a name, to a tenth of a second.
func (b *bars) tree(root string, depth int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var s strings.Builder
	var below func(parent sdktrace.ReadOnlySpan, indent string)
	below = func(parent sdktrace.ReadOnlySpan, indent string) {
		fmt.Fprintf(&s, "%s%s %s\n", indent, parent.Name(),
			parent.EndTime().Sub(parent.StartTime()).Round(100*time.Millisecond))
		for _, sp := range b.spans {
			if sp.Parent().SpanID() == parent.SpanContext().SpanID() && len(indent) < 2*depth {
				below(sp, indent+"  ")
			}
		}
	}
	for _, sp := range b.spans {
		if sp.Name() == root {
			below(sp, "")
		}
	}
	return s.String()
}

// TestU35SharedBudget: several servers stopped one after another share one budget,
// and the last find nothing left (infra #2708). In a group each has its bar, and
// what was left when its turn came.
func TestU35SharedBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k bars
		var report *tracer.Report
		tr := newTracer(t, k.option(), tracer.WithReport(func(r *tracer.Report) { report = r }))
		api, web := servertest.Listen(), servertest.Listen()
		srv := server.New(tr)
		greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
		g := server.NewGroup(tr, server.GracePeriod(10*time.Second))
		g.Add(server.Member{Name: "api", Server: srv, Listeners: listeners(api)})
		g.Add(server.Member{
			Name: "web", HTTP: &http.Server{Handler: &site{}}, Listeners: listeners(web), After: []string{"api"},
		})
		g.Add(server.Member{
			Name: "database", After: []string{"web"},
			Close: func(context.Context) error { <-time.After(500 * time.Millisecond); return nil },
		})
		start(t, g)
		call := hello(t, api, time.Hour)
		answered := request(t, web, "7s")
		synctest.Wait()
		wantError(t, "Stop", g.Stop(t.Context()), "member api: shutdown forced after 5.2s: ")
		if <-call == nil || !<-answered {
			t.Error("want the RPC cut and the request answered")
		}
		want := "api took 5.2s of 7.5s: conn wait took 5.2s of 5.2s: rpc greeter.v1.Greeter/SayHello from " +
			"10.0.0.1:40001, open 5.2s, no deadline, handler running at greeter.go:"
		if !strings.HasPrefix(report.Verdict, want) || report.Outcome != tracer.OutcomeForced {
			t.Errorf("%s: %s\nwant %s", report.Outcome, report.Verdict, want)
		}
		var left []string
		for _, m := range report.Members {
			left = append(left, fmt.Sprintf("%s %s", m.Member.Name, m.Member.BudgetLeft))
		}
		if diff := cmp.Diff([]string{"api 10.0s", "web 4.8s", "database 3.0s"}, left); diff != "" {
			t.Errorf("budget left (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(`shutdown 7.5s
  member api 5.2s
    grpc.server.shutdown 5.2s
  member web 1.8s
    conn wait 1.8s
  member database 500ms
`, k.tree("shutdown", 2)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
