// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// TestTogether: what belongs together leaves together, though the sender is idle; what
// Flush finds is not kept back.
func TestTogether(t *testing.T) {
	var sizes []int
	exp := &fake{export: func(_ context.Context, _ int, spans []sdktrace.ReadOnlySpan) error {
		sizes = append(sizes, len(spans))
		return nil
	}}
	bubble(t, exp, func(t *testing.T, s *Session) {
		synctest.Wait()
		s.Together(func() {
			s.Emit(span(1, "checkpoint"))
			synctest.Wait()
			s.Together(func() { s.Emit(span(2, "rpc")) })
			synctest.Wait()
			s.Emit(span(3, "rpc"))
		})
		synctest.Wait()
		if diff := cmp.Diff([]int{3}, sizes); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
		s.Together(func() {
			s.Emit(span(4, "root"))
			wantResult(t, flushIn(t, s, 0), 4, nil)
		})
	})
}

// TestTogetherOfAFault: a fault in what emits keeps nothing back.
func TestTogetherOfAFault(t *testing.T) {
	exp := &fake{}
	bubble(t, exp, func(t *testing.T, s *Session) {
		func() {
			defer func() { _ = recover() }()
			s.Together(func() { s.Emit(span(1, "a")); panic("a fault") })
		}()
		<-time.After(time.Second)
		if got := exp.names(); len(got) != 1 {
			t.Errorf("sent %v, want one", got)
		}
		wantResult(t, flushIn(t, s, 0), 1, nil)
	})
}
