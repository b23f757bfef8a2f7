// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"cmp"
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/exporter"
	"github.com/gracetrace/gracetrace/tracer"
)

// What is made: so many shutdowns of so many spans, a tenth of them killed.
const (
	ordinary, ordinarySpans = 2000, 40
	crowds, crowdSpans      = 20, 1500
	apart                   = 300 * time.Millisecond // 2,000 in 10 minutes
)

// culpritsMade are whom the shutdowns blame, in turns.
var culpritsMade = []*blamed{
	{"rpc", "in Recv", "greeter.v1.Greeter/Watch", "grpc-java-netty/1.70.0"},
	{"rpc", "in Send", "greeter.v1.Greeter/Chat", "grpc-go/1.85.0"},
	{"connection", "ping unacknowledged", "", "nghttp2/1.43"},
	nil,
}

// plans are all of them. Each lasts another time, so that no two sums are the same by
// chance.
func plans(began time.Time) (all []*plan) {
	for i := range ordinary + crowds {
		p := &plan{
			number: i, spans: ordinarySpans, start: began.Add(time.Duration(i) * apart),
			took: time.Duration(i%97)*100*time.Millisecond + time.Duration(i+5000)*tick,
			by:   culpritsMade[(i+i/10)%len(culpritsMade)], killed: i%10 == 7, forced: i%10 == 4,
		}
		if i >= ordinary {
			p.spans = crowdSpans
		}
		if p.killed {
			p.took = max(p.took, time.Second) // before that nothing is told
		}
		all = append(all, p)
	}
	return all
}

// expected is what there is to count, in the simplest way.
func expected(all []*plan) (want result) {
	want.Complete = true
	for _, name := range []string{"quit", "listener close", "handshake wait", "GOAWAY", "conn wait", "handler wait"} {
		want.Phases = append(want.Phases, phase{Name: name})
	}
	for _, p := range all {
		p.expect(&want)
	}
	slices.SortFunc(want.Culprits, func(a, b culprit) int { return cmp.Compare(b.Held, a.Held) })
	slices.SortFunc(want.Versions, func(a, b versionCounts) int {
		return cmp.Or(cmp.Compare(b.All, a.All), strings.Compare(a.Name, b.Name))
	})
	return want
}

func (p *plan) expect(want *result) {
	c, version := &want.Counts, versions[p.number%len(versions)]
	at := slices.IndexFunc(want.Versions, func(v versionCounts) bool { return v.Name == version })
	if at < 0 {
		at = len(want.Versions)
		want.Versions = append(want.Versions, versionCounts{Name: version})
	}
	v := &want.Versions[at]
	c.All, v.All = c.All+1, v.All+1
	total, phases := p.took+handlersFor, len(want.Phases)
	switch {
	case p.killed:
		c.Killed, v.Killed = c.Killed+1, v.Killed+1
		total, phases = p.took, phases-1
	case p.forced:
		c.Forced++
		c.RPCsCut++
	default:
		c.Graceful++
	}
	want.Duration.Max = max(want.Duration.Max, tracer.Duration(total))
	from := connWaitAt + tick
	if p.killed { // where the phase before it ended
		from = connWaitAt
	}
	waited := tracer.Duration(p.took - from)
	took := []tracer.Duration{
		tracer.Duration(10 * tick), tracer.Duration(72 * tick), tracer.Duration(2*time.Millisecond - 86*tick),
		tracer.Duration(time.Millisecond - tick), waited, tracer.Duration(handlersFor - tick),
	}
	for i := range phases {
		want.Phases[i].Shutdowns++
		want.Phases[i].Max = max(want.Phases[i].Max, took[i])
	}
	if p.by == nil {
		return
	}
	who := culprit{Kind: p.by.kind, State: p.by.state, Method: p.by.method, Client: p.by.agent}
	at = slices.IndexFunc(want.Culprits, func(c culprit) bool {
		return c.Kind == who.Kind && c.State == who.State && c.Method == who.Method && c.Client == who.Client
	})
	if at < 0 {
		at = len(want.Culprits)
		want.Culprits = append(want.Culprits, who)
	}
	of := &want.Culprits[at]
	of.Shutdowns++
	of.Held += waited
	of.Max = max(of.Max, waited)
}

// TestMade: 2,000 shutdowns of 40 spans and 20 of 1,500, a tenth of them killed, sent by
// the library's exporter: the command counts what was made, in bounded memory. How long
// it takes is told and not judged: Jaeger makes the answers on the same processors.
func TestMade(t *testing.T) {
	if os.Getenv(envRollout) == "" {
		t.Skip("needs the machine for itself: make e2e runs it last, with ROLLOUT=1")
	}
	j := jaegerd.Start(t)
	gracetrace := program.Build(t)
	began := time.Now().Add(-30 * time.Minute).Truncate(time.Second)
	all := plans(began)
	sent := time.Now()
	spans := sendMade(t, "http://"+j.OTLP, all)
	t.Logf("%d shutdowns with %d spans made and sent in %s", len(all), spans, since(sent))

	var got result
	cost := ask(t, gracetrace, &got, "culprits", "--jaeger", j.Query, "--service", service, "--json", "--since", "1h")
	t.Logf("culprits: %s, %d MiB at most, %d answers of %d MB together on %s with %d processors", cost.took,
		cost.memory>>20, got.Search.Answers, got.Search.Bytes/1e6, runtime.GOARCH, runtime.NumCPU())
	if cost.memory > maxMemory {
		t.Errorf("culprits used %d MiB, want %d at most", cost.memory>>20, maxMemory>>20)
	}
	if diff := gocmp.Diff(expected(all), got.comparable()); diff != "" {
		t.Errorf("(-made +culprits):\n%s", diff)
	}
}

// sendMade sends them, those of a version as one process would, and returns how many
// spans there are.
func sendMade(t *testing.T, endpoint string, all []*plan) (spans int) {
	t.Helper()
	t.Setenv("OTEL_SERVICE_NAME", service)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	var wait sync.WaitGroup
	for i, version := range versions {
		e, err := exporter.New(t.Context(), exporter.Config{
			ScopeName: "github.com/gracetrace/gracetrace/tracer",
			Resource:  resource.NewSchemaless(attribute.String("service.version", version)),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(e.Close)
		var mine []*plan
		for _, p := range all {
			if p.number%len(versions) == i {
				mine = append(mine, p)
				spans += p.spans
			}
		}
		wait.Go(func() { sendAll(t, e, mine) })
	}
	wait.Wait()
	return spans
}

// sendAll sends as many at once as the exporter keeps.
func sendAll(t *testing.T, e *exporter.Exporter, all []*plan) {
	const most = 2000
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s := e.Open()
	waiting := 0
	for _, p := range all {
		_, spans := p.make()
		if len(spans) != p.spans {
			t.Errorf("shutdown %d has %d spans, want %d", p.number, len(spans), p.spans)
		}
		if waiting += len(spans); waiting > most {
			s.Sync(ctx)
			waiting = len(spans)
		}
		s.Together(func() {
			for _, span := range spans {
				s.Emit(span)
			}
		})
	}
	s.Sync(ctx)
	if r := s.Flush(ctx); len(r.Lost) > 0 {
		t.Errorf("lost %v: %v", r.Lost, r.Err)
	}
}
