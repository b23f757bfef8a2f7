// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/bind"
	"github.com/gracetrace/gracetrace/internal/procnet"
)

// attempts are three: one that was free, one that was tried again, one that
// failed.
func attempts() []bind.Attempt {
	begin := time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)
	held := procnet.Holder{PID: 4711, Command: "./old", Socket: "listens on [::]:50051"}
	return []bind.Attempt{
		{Address: ":9090", Begin: begin.Add(time.Microsecond), End: begin.Add(20 * time.Microsecond)},
		{
			Address: ":50051", Begin: begin, End: begin.Add(1500 * time.Millisecond), Retries: 5,
			Holder: held,
		},
		{
			Address: ":80", Begin: begin, End: begin.Add(30 * time.Microsecond),
			Err: errors.Join(syscall.EACCES),
		},
	}
}

func listened(t *testing.T, as []bind.Attempt, opts ...Option) []sdktrace.ReadOnlySpan {
	t.Helper()
	k := &sink{}
	tr, err := New(t.Context(), append([]Option{
		WithExporter(k.factory), WithLogger(slog.New(slog.DiscardHandler)),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	tr.Listened(t.Context(), as)
	return k.spans
}

// TestListened: one trace has a bar for each address that was not free at once.
func TestListened(t *testing.T) {
	spans := listened(t, attempts())
	root := theSpan(t, spans, spanListen)
	if root.Parent().IsValid() || len(spans) != 3 {
		t.Fatalf("%d spans, root below %s; want a root and two", len(spans), root.Parent().SpanID())
	}
	for i, want := range []struct {
		address, failed string
		took            time.Duration
	}{{":50051", "", 1500 * time.Millisecond}, {":80", "permission_denied", 30 * time.Microsecond}} {
		sp := spans[i]
		attrs := attrsOf(sp)
		if sp.Name() != spanBind || sp.Parent().SpanID() != root.SpanContext().SpanID() ||
			attrs[keyListenAddress] != want.address {
			t.Errorf("span %d: %s, %v", i, sp.Name(), attrs)
		}
		if got := sp.EndTime().Sub(sp.StartTime()); got != want.took {
			t.Errorf("%s took %s, want %s", want.address, got, want.took)
		}
		if sp.StartTime().Before(root.StartTime()) || !sp.EndTime().Before(root.EndTime()) {
			t.Errorf("%s lies outside of the root", want.address)
		}
		if failed := sp.Status().Code == codes.Error; failed != (want.failed != "") ||
			failed && attrs["error.type"] != want.failed {
			t.Errorf("%s: %v, %v, want the error %q", want.address, sp.Status(), attrs, want.failed)
		}
	}
	got := attrsOf(spans[0])
	if got[keyListenRetries] != int64(5) || got[keyListenPID] != int64(4711) ||
		got[keyListenCommand] != "./old" || got[keyListenHolder] != attempts()[1].Holder.String() {
		t.Errorf("the address that was tried again: %v", got)
	}
	if attrs := attrsOf(root); attrs[keyListenCount] != int64(3) ||
		attrs["error.type"] != "permission_denied" {
		t.Errorf("root: %v, want three addresses and the first error", attrs)
	}
}

// TestListenedAtOnce: nothing was wrong, nothing is said.
func TestListenedAtOnce(t *testing.T) {
	if spans := listened(t, attempts()[:1]); len(spans) != 0 {
		t.Errorf("%d spans, want none", len(spans))
	}
	if spans := listened(t, nil); len(spans) != 0 {
		t.Errorf("%d spans, want none", len(spans))
	}
}

// TestListenedLost: a collector that is not there is said once and costs little.
func TestListenedLost(t *testing.T) {
	var log bytes.Buffer
	tr, err := New(t.Context(), WithLogger(slog.New(slog.NewTextHandler(&log, nil))),
		WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return nil, errors.New("no collector")
		}))
	if err != nil {
		t.Fatal(err)
	}
	tr.Listened(t.Context(), attempts())
	tr.Close()
	if !strings.Contains(log.String(), "listen spans lost") ||
		!strings.Contains(log.String(), "spans_lost=3") {
		t.Errorf("the log does not say that three spans were lost:\n%s", &log)
	}
}
