// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/gracetrace/gracetrace/e2e/internal/check"
	"github.com/gracetrace/gracetrace/e2e/internal/jaegerd"
	"github.com/gracetrace/gracetrace/e2e/internal/program"
	"github.com/gracetrace/gracetrace/e2e/internal/timeline"
)

// The whole of it: processes stop in every way, and what Jaeger, Prometheus, its
// alerts and the Monitor tab then say of them.
func TestFleet(t *testing.T) {
	s := newStack(t)
	demo := program.Build(t).To(s.endpoint).With("OTEL_RESOURCE_ATTRIBUTES=service.version=1.4.2")
	s.jaeger.start(t)
	s.collector.start(t)
	s.prometheus.start(t)

	// The Monitor tab shows rates, which need a counter that was there before.
	demo.As("orders").Demo(t, "--scenario", "short")
	s.awaitValue(t, finished("orders", "graceful"), 1)

	t.Run("outcomes", func(t *testing.T) { s.outcomes(t, demo) })
	t.Run("sampler", s.sampler)
	t.Run("outage", func(t *testing.T) { s.outage(t, demo.As("payments")) })

	// All of that is still so, and none of it was counted again.
	s.wantCounts(t)
}

func finished(service, outcome string) string {
	return `gracetrace:shutdowns_finished:count1h{service_name="` + service +
		`",service_version="1.4.2",shutdown_outcome="` + outcome + `"}`
}

// outcomes runs two more graceful stops, two that are forced after four seconds,
// and one that is killed.
func (s *stack) outcomes(t *testing.T, demo program.Program) {
	orders := demo.As("orders")
	runs := []*program.Process{
		orders.Start(t, "demo", "--scenario", "recv", "--grace", "6s"),
		orders.Start(t, "demo", "--scenario", "send", "--grace", "6s"),
	}
	killed := demo.As("refunds").Start(t, "demo", "--scenario", "unary", "--grace", "60s")
	for range 2 {
		orders.Demo(t, "--scenario", "short")
	}
	// Long before its end, and before the sampler would have decided.
	await(t, "a checkpoint of the one to kill", func() bool {
		return slices.ContainsFunc(s.shutdowns(t, "refunds"), func(tree *timeline.Tree) bool {
			return len(tree.Find("checkpoint conn wait")) > 0 && len(tree.Find("rpc Greeter/SayHello")) > 0
		})
	})
	killed.Signal(t, syscall.SIGKILL)
	for _, run := range append(runs, killed) {
		run.Wait(t)
	}

	s.wantShutdowns(t, "orders", "forced", "forced", "graceful", "graceful", "graceful")
	s.wantShutdowns(t, "refunds", "killed")
	s.wantCounts(t)
	s.awaitValue(t, `traces_span_metrics_calls_total{service_name="orders",shutdown_outcome="forced",`+
		`shutdown_culprit_phase="conn wait",shutdown_culprit_kind="rpc",shutdown_culprit_state="in Recv"}`, 1)
	awaitEqual(t, "the alerts of orders", []string{"GracetraceShutdownsForced"}, func() []string {
		return s.firing(t, "orders")
	})
	awaitEqual(t, "the alerts of refunds", []string{"GracetraceShutdownsKilled"}, func() []string {
		return s.firing(t, "refunds")
	})
	await(t, "the Monitor tab's latency of conn wait", func() bool {
		ms := s.latency(t, "orders", "conn wait")
		return ms > 2000 && ms <= 5000
	})
}

// wantCounts are those of Prometheus, of all that outcomes has run.
func (s *stack) wantCounts(t *testing.T) {
	t.Helper()
	s.awaitValue(t, finished("orders", "graceful"), 3)
	s.awaitValue(t, finished("orders", "forced"), 2)
	s.awaitValue(t, `gracetrace:shutdowns_started:count1h{service_name="orders"}`, 5)
	s.awaitValue(t, `gracetrace:shutdowns_killed:count1h{service_name="orders"}`, 0)
	s.awaitValue(t, `gracetrace:shutdowns_started:count1h{service_name="refunds"}`, 1)
	s.awaitValue(t, `gracetrace:shutdowns_killed:count1h{service_name="refunds"}`, 1)
}

// wantShutdowns holds what Jaeger has of a service to what it has run.
func (s *stack) wantShutdowns(t *testing.T, service string, want ...string) {
	t.Helper()
	s.awaitDelivery(t)
	var got []string
	for _, tree := range s.shutdowns(t, service) {
		got = append(got, outcome(tree))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("traces of %s (-want +got):\n%s", service, diff)
	}
}

// outcome is how a trace says that it ended; with what is wrong with it, if it is
// not whole.
func outcome(tree *timeline.Tree) string {
	findings, end := check.Killed(tree, "rpc Greeter/SayHello"), "killed"
	if roots := tree.Find(check.Root); len(roots) > 0 {
		findings = check.Finished(tree)
		end, _ = roots[0].Attributes["shutdown.outcome"].(string)
	}
	if len(findings) > 0 {
		return end + ": " + strings.Join(findings, "; ")
	}
	return end
}

// sampler shows that an application's ordinary traces are sampled away while
// those with an error, or with a shutdown in them, are kept whole: also what comes
// after the decision.
func (s *stack) sampler(t *testing.T) {
	app := application{endpoint: s.endpoint, service: "shop"}
	const own = "example.com/shop"
	var ordinary [20]traceID
	for i := range ordinary {
		ordinary[i] = newTraceID()
		app.send(t, ordinary[i], 1, own, "GET /", tracepb.Status_STATUS_CODE_OK)
	}
	failed, shutdown := newTraceID(), newTraceID()
	app.send(t, failed, 1, own, "GET /", tracepb.Status_STATUS_CODE_ERROR)
	app.send(t, shutdown, 1, own, "deploy", tracepb.Status_STATUS_CODE_OK)
	app.send(t, shutdown, 2, ours, "grpc.server.shutdown started", tracepb.Status_STATUS_CODE_OK)
	s.awaitSpans(t, failed, 1)
	s.awaitSpans(t, shutdown, 2)
	// The decisions are made; these are late.
	app.send(t, shutdown, 3, own, "rollback", tracepb.Status_STATUS_CODE_OK)
	app.send(t, shutdown, 4, ours, "grpc.server.shutdown", tracepb.Status_STATUS_CODE_ERROR)
	app.send(t, ordinary[0], 2, own, "late", tracepb.Status_STATUS_CODE_ERROR)
	s.awaitSpans(t, shutdown, 4)
	for _, id := range ordinary {
		if tree, err := s.traces.Trace(t.Context(), id.String()); !errors.Is(err, jaegerd.ErrNotFound) {
			t.Errorf("an ordinary trace was kept: %v, %v", tree, err)
		}
	}
}

func (s *stack) awaitSpans(t *testing.T, id traceID, want int) {
	t.Helper()
	await(t, "an application's trace", func() bool {
		tree, err := s.traces.Trace(t.Context(), id.String())
		if err != nil && !errors.Is(err, jaegerd.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil && len(tree.All()) == want && len(tree.Duplicates) == 0
	})
}

// outage takes Jaeger away, and then kills the collector while a shutdown lasts:
// nothing is lost, and nothing is counted twice.
func (s *stack) outage(t *testing.T, demo program.Program) {
	s.jaeger.stop(t, syscall.SIGTERM) // its storage goes with it
	demo.Demo(t, "--scenario", "short")
	long := demo.Start(t, "demo", "--scenario", "recv", "--grace", "6s")
	s.awaitValue(t, finished("payments", "graceful"), 1)
	s.awaitValue(t, `traces_span_metrics_calls_total{service_name="payments",`+
		`span_name="grpc.server.shutdown started"}`, 2)
	s.collector.stop(t, syscall.SIGKILL)
	s.collector.start(t)
	long.Wait(t)
	demo.Demo(t, "--scenario", "short")
	s.awaitValue(t, finished("payments", "graceful"), 2)
	s.awaitValue(t, finished("payments", "forced"), 1)
	s.awaitValue(t, `gracetrace:shutdowns_started:count1h{service_name="payments"}`, 3)

	s.jaeger.start(t)
	s.wantShutdowns(t, "payments", "forced", "graceful", "graceful")
	if alerts := s.firing(t, "payments"); slices.Contains(alerts, "GracetraceShutdownsKilled") {
		t.Errorf("a restarted collector looks like a kill: %v", alerts)
	}
}
