// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/internal/spanjson"
)

// failing is a sink that loses what it is sent in two calls, for two reasons.
type failing struct {
	sink
	calls int
	lost  map[string]int
}

func (k *failing) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if len(spans) == 0 {
		return nil // the probe
	}
	switch k.calls++; k.calls {
	case 1:
		k.lost["exporter failed"] = len(spans)
		return errors.New("no")
	case 2:
		k.lost["collector refused"] = len(spans)
		return status.Error(codes.PermissionDenied, "no")
	}
	return k.sink.ExportSpans(ctx, spans)
}

func (k *failing) factory(context.Context) (sdktrace.SpanExporter, error) { return k, nil }

// TestLostSpansAreOnTheRoot: who has only the trace is told that it is not whole.
func TestLostSpansAreOnTheRoot(t *testing.T) {
	stops := map[string]func(t *testing.T, tr *Tracer) *Report{
		spanRoot: func(t *testing.T, tr *Tracer) *Report {
			t.Helper()
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			synctest.Wait() // The first span is lost,
			time.Sleep(2 * sec)
			synctest.Wait() // and so is the checkpoint.
			s.Returned()
			return s.Finish(t.Context())
		},
		spanGroup: func(t *testing.T, tr *Tracer) *Report {
			t.Helper()
			g := tr.BeginGroup(10 * sec)
			time.Sleep(2 * sec)
			server := tr.ForServer()
			m := g.Begin(MemberReport{Name: "api", Kind: memberGRPC})
			s, _ := server.BeginShutdown(Call{Graceful: true, Member: m})
			synctest.Wait()
			s.Returned()
			s.Finish(t.Context())
			m.End(nil, false)
			return g.Finish(t.Context())
		},
	}
	for root, stop := range stops {
		t.Run(root, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &failing{lost: make(map[string]int)}
				tr, err := New(t.Context(), WithExporter(k.factory))
				if err != nil {
					t.Fatal(err)
				}
				r := stop(t, tr)
				tr.Close()
				if diff := cmp.Diff(k.lost, r.Spans.Lost); diff != "" || len(k.lost) != 2 {
					t.Errorf("lost (-want +report):\n%s", diff)
				}
				got := read(t, spanjson.OTLP(service, k.spans))
				if diff := cmp.Diff(k.lost, got.Spans.Lost); diff != "" {
					t.Errorf("lost (-want +read):\n%s", diff)
				}
				for _, sp := range k.spans {
					n, has := attrsOf(sp)[keyLost]
					if has != (sp.Name() == root) || has && n != int64(cutTotal(k.lost)) {
						t.Errorf("%s: %v of %s", keyLost, n, sp.Name())
					}
				}
			})
		})
	}
}
