// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// lineOf is a line with spans of these names.
func lineOf(t *testing.T, names ...string) *tracepb.TracesData {
	t.Helper()
	q := newQueue()
	res, _, err := newResource(nil)
	if err != nil {
		t.Fatal(err)
	}
	tracer := newProvider(res, q).Tracer("test")
	for i, name := range names {
		sp := span(i, name)
		sp.record(tracer)
	}
	td, err := traces(q.spans)
	if err != nil {
		t.Fatal(err)
	}
	return td
}

// TestALineKeepsNoOther: whatever becomes of one line, the others arrive, and it is
// given up only if the collector has decided.
func TestALineKeepsNoOther(t *testing.T) {
	clean(t)
	big := strings.Repeat("x", 400<<10)
	lines := []*tracepb.TracesData{
		lineOf(t, "a", "b"), lineOf(t, "B", "c"), lineOf(t, "d"), lineOf(t, big, "e"), lineOf(t, "f"),
	}
	bad := func(err error) func([]sdktrace.ReadOnlySpan) error {
		return func(spans []sdktrace.ReadOnlySpan) error {
			if slices.ContainsFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "B" }) {
				return err
			}
			return nil
		}
	}
	invalid := status.Error(codes.InvalidArgument, "no")
	for name, tt := range map[string]struct {
		refuse  func([]sdktrace.ReadOnlySpan) error
		arrived string
		took    []int // in any order
		err     codes.Code
		calls   int // at most
	}{
		"none":        {bad(nil), "abBcdXef", []int{0, 1, 2, 3, 4}, codes.OK, 1},
		"refused":     {bad(invalid), "abcdXef", []int{0, 2, 3, 4}, codes.InvalidArgument, 10},
		"overload":    {bad(status.Error(codes.ResourceExhausted, "no")), "abcdXef", []int{0, 2, 3, 4}, codes.ResourceExhausted, 15},
		"unavailable": {bad(errAway), "abdXef", []int{0, 2, 3, 4}, codes.Unavailable, 40},
		"too large":   {tooManyBytes(100 << 10), "abBcdef", []int{0, 1, 2, 3, 4}, codes.OK, 9},
		"all": {func([]sdktrace.ReadOnlySpan) error { return invalid }, "", nil,
			codes.InvalidArgument, finalRow},
		"wrong token": {func([]sdktrace.ReadOnlySpan) error { return status.Error(codes.Unauthenticated, "") },
			"", nil, codes.Unauthenticated, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var sizes []int
			exp := refusing(&sizes, tt.refuse)
			synctest.Test(t, func(t *testing.T) {
				e := mustNew(t, Config{Factory: exp.factory})
				ctx, cancel := context.WithTimeout(t.Context(), recoveryLimit)
				defer cancel()
				var took []int
				start := time.Now()
				err := e.Send(ctx, lines, func(line int) { took = append(took, line) })
				t.Logf("%d calls in %v: %s", len(sizes), time.Since(start), runs(sizes))
				if status.Code(err) != tt.err || len(sizes) > tt.calls {
					t.Errorf("%d calls, error %v", len(sizes), err)
				}
				slices.Sort(took)
				if diff := cmp.Diff(tt.took, took); diff != "" {
					t.Errorf("decided (-want +got):\n%s", diff)
				}
				got := strings.Split(strings.ReplaceAll(strings.Join(exp.names(), ""), big, "X"), "")
				want := strings.Split(tt.arrived, "")
				slices.Sort(got)
				slices.Sort(want)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("arrived (-want +got):\n%s", diff)
				}
			})
		})
	}
}
