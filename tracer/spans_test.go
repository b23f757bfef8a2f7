// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// busy is a shutdown that has something in every phase.
func busy() *timeline {
	return returnedAt(15*sec, listener(ms, 4*ms, 4*ms),
		raw(settledAt(2*sec), closedAt(2*sec)),
		conn(goAwayAt(2*sec+30*ms), ackedAt(2*sec+40*ms), finalAt(2*sec+40*ms), goneAt(8*sec)),
		stream(-time.Hour, 8*sec, inRecv(8*sec)), unary(-sec, 3*sec),
		conn(goAwayAt(2*sec), finalAt(7*sec), goneAt(8*sec)),
		unary(0, 15*sec), unary(0, 12*sec, onUnknownConnection))
}

// outline is the tree by names, siblings sorted by start.
func outline(spans []sdktrace.ReadOnlySpan) string {
	var b strings.Builder
	var walk func(parent trace.SpanID, indent string)
	walk = func(parent trace.SpanID, indent string) {
		for _, sp := range spans {
			if sp.Parent().SpanID() == parent {
				b.WriteString(indent + sp.Name() + "\n")
				walk(sp.SpanContext().SpanID(), indent+"  ")
			}
		}
	}
	slices.SortStableFunc(spans, func(a, b sdktrace.ReadOnlySpan) int {
		return a.StartTime().Compare(b.StartTime())
	})
	walk(trace.SpanID{}, "")
	return b.String()
}

// TestSpanTree: a connection that held two phases is in both.
func TestSpanTree(t *testing.T) {
	const want = `grpc.server.shutdown
  quit
  listener close
    listener
  handshake wait
    handshake
  GOAWAY
    connection
  conn wait
    connection
      rpc Greeter/Chat
      GOAWAY ack
      rpc Greeter/SayHello
    connection
      GOAWAY ack
      rpc Greeter/SayHello
  handler wait
    handler Greeter/SayHello
    handler Greeter/SayHello
grpc.server.shutdown started
`
	spans := finished(t, busy())
	if diff := cmp.Diff(want, outline(spans)); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

// TestSpansFitJaeger holds for any timeline: ids are unique, parents are there,
// times are whole microseconds, children are inside, the root covers all,
// siblings never abut, and phases are in order.
func TestSpansFitJaeger(t *testing.T) {
	for seed := range uint64(100) {
		tl := random(rand.New(rand.NewPCG(seed, 3)))
		if tl.returned > tl.now {
			givenUp(tl)
		}
		fitsJaeger(t, finished(t, tl))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	fitsJaeger(t, finished(t, busy()))
}

func fitsJaeger(t *testing.T, spans []sdktrace.ReadOnlySpan) {
	t.Helper()
	byID := make(map[trace.SpanID]sdktrace.ReadOnlySpan)
	children := make(map[trace.SpanID][]sdktrace.ReadOnlySpan)
	for _, sp := range spans {
		id := sp.SpanContext().SpanID()
		if byID[id] != nil {
			t.Errorf("%s and %s have the same id", sp.Name(), byID[id].Name())
		}
		byID[id] = sp
		children[sp.Parent().SpanID()] = append(children[sp.Parent().SpanID()], sp)
		if !sp.StartTime().Equal(sp.StartTime().Truncate(tick)) ||
			!sp.EndTime().Equal(sp.EndTime().Truncate(tick)) {
			t.Errorf("%s is not in whole microseconds", sp.Name())
		}
	}
	for parent, siblings := range children {
		p, ok := byID[parent]
		if !ok && parent.IsValid() {
			t.Errorf("the parent of %s was not sent", siblings[0].Name())
		}
		for _, a := range siblings {
			outside := ok && (a.StartTime().Before(p.StartTime()) || a.EndTime().After(p.EndTime()))
			if outside && p.Name() != spanStarted {
				t.Errorf("%s is not inside %s", a.Name(), p.Name())
			}
			for _, b := range siblings {
				if b.EndTime().Equal(a.StartTime()) && ok && a.Name() != spanSummary {
					t.Errorf("%s begins where %s ends, below %s", a.Name(), b.Name(), p.Name())
				}
			}
		}
	}
}

// TestErrorOnlyWhenForced: otherwise a shutdown is no error, however slow.
func TestErrorOnlyWhenForced(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tl     *timeline
		forced bool
	}{
		{"graceful", busy(), false},
		{"forced", returnedAt(9*sec, oneListener, conn(told(0), goneAt(8*sec)), forcedAt(8*sec)), true},
		{"forced in vain", returnedAt(9*sec, oneListener, conn(told(0), goneAt(0)), forcedAt(8*sec)), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, sp := range finished(t, tt.tl) {
				want := tt.forced && sp.Name() == spanRoot
				_, has := attrsOf(sp)["error.type"]
				if got := sp.Status().Code == codes.Error; got != want || has != want {
					t.Errorf("%s: status Error %t, error.type %t, want %t", sp.Name(), got, has, want)
				}
			}
		})
	}
}

// TestSampledLinks: an RPC's span of the app is linked, if the app kept it.
func TestSampledLinks(t *testing.T) {
	link := func(flags trace.TraceFlags) rpcChange {
		return func(r *rpcLine) {
			r.span = trace.NewSpanContext(trace.SpanContextConfig{
				TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags,
			})
		}
	}
	for flags, want := range map[trace.TraceFlags]int{trace.FlagsSampled: 1, 0: 0} {
		spans := finished(t, returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)),
			unary(0, 9*sec, link(flags))))
		if got := len(theSpan(t, spans, "rpc Greeter/SayHello").Links()); got != want {
			t.Errorf("flags %v: %d links, want %d", flags, got, want)
		}
	}
}
