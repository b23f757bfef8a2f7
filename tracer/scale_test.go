// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Bounds of what leaves, however many there are.
const (
	maxTextBytes  = 128 << 10
	maxJSONBytes  = 1 << 20
	maxHTMLBytes  = 1 << 20
	maxTraceBytes = 3 << 20
	maxTraceSpans = 1500
)

// many is 10,000 connections, of which 1,000 have a stream whose client lets go
// one by one. The others are idle and go at once. At last somebody uploads.
func many(now time.Duration) *timeline {
	changes := []change{oneListener}
	for i := range 10_000 {
		if i%10 != 0 {
			changes = append(changes, conn(told(ms), goneAt(2*ms)))
			continue
		}
		gone := time.Duration(i) * ms
		changes = append(changes, conn(told(ms), goneAt(gone)), stream(-time.Hour, gone, inRecv(gone)))
	}
	changes = append(changes, conn(told(ms)), stream(-time.Hour, never, inRecv(now)))
	tl := unfinishedAt(now, changes...)
	for i := range tl.conns { // what has not happened yet
		if c := &tl.conns[i]; c.gone > now {
			c.gone, c.closed = never, never
		}
	}
	for i := range tl.rpcs {
		if r := &tl.rpcs[i]; r.end > now {
			r.end = never
		}
	}
	return tl
}

// TestManyStayWithinBounds: the report in every form, the trace with its
// progress, and the last client is named.
func TestManyStayWithinBounds(t *testing.T) {
	const end = 15 * sec
	who := "rpc greeter.v1.Greeter/Chat from 10.0.0.10001:50001"
	tl := many(end)
	tl.returned, tl.conns[10_000].gone, tl.conns[10_000].closed = end, end, end
	tl.rpcs[len(tl.rpcs)-1].end = end
	views := tl.views()
	r := tl.report(views, time.Time{})
	progress := 0
	sent := record(t, func(s *spans) {
		s.begin(Call{Graceful: true})
		for at := nextCheckpoint(0); at < end; at = nextCheckpoint(at) {
			early := many(at)
			v := early.views()
			r.Checkpoints = append(r.Checkpoints, Checkpoint{
				Offset: whole(at), Phase: PhaseConnWait, Left: early.left(at),
				Verdict: early.verdictSoFar(&v[len(v)-1]),
			})
			s.advance(early, v)
			s.ended(early, v)
			s.checkpoint(early, v)
		}
		progress = s.progress
		s.advance(tl, views)
		s.end(tl, r, Call{Graceful: true}, tl.longest(views))
	})
	if !strings.Contains(r.Verdict, who) {
		t.Errorf("the verdict does not name %s: %s", who, r.Verdict)
	}
	named := 0
	for _, c := range r.Checkpoints {
		if strings.Contains(c.Verdict, "rpc greeter.v1.Greeter/Chat") {
			named++
		}
	}
	if named != len(r.Checkpoints) || named < 4 {
		t.Errorf("%d of %d checkpoints name a stream", named, len(r.Checkpoints))
	}
	if n := len(sent) - progress; n > maxTraceSpans || progress > maxProgressSpans {
		t.Errorf("%d spans and %d of progress, want at most %d and %d",
			n, progress, maxTraceSpans, maxProgressSpans)
	}
	if n := traceBytes(sent); n > maxTraceBytes {
		t.Errorf("a trace of %d bytes, want at most %d", n, maxTraceBytes)
	}
	for name, limit := range map[string]int{
		"text": maxTextBytes, "json": maxJSONBytes, "html": maxHTMLBytes,
	} {
		var b bytes.Buffer
		write := map[string]func(io.Writer) error{
			"text": r.WriteText, "json": r.WriteJSON, "html": r.WriteHTML,
		}[name]
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if b.Len() > limit || b.Len() < 1000 {
			t.Errorf("%s: %d bytes, want at most %d", name, b.Len(), limit)
		}
		if !strings.Contains(b.String(), "10.0.0.10001:50001") {
			t.Errorf("%s does not name the last client", name)
		}
	}
}

// TestManyRunWithinBounds: what the debug port shows half-way.
func TestManyRunWithinBounds(t *testing.T) {
	tl := many(5 * sec)
	r := tl.report(tl.views(), time.Time{})
	if r.Outcome != OutcomeRunning || !strings.Contains(r.Verdict, "rpc greeter.v1.Greeter/Chat") {
		t.Errorf("%s: %s", r.Outcome, r.Verdict)
	}
	for _, f := range liveFormats {
		var b bytes.Buffer
		if err := f.write(&b, []*Report{r}, nil); err != nil {
			t.Fatal(err)
		}
		if b.Len() > maxJSONBytes {
			t.Errorf("%s: %d bytes, want at most %d", f.name, b.Len(), maxJSONBytes)
		}
	}
}

// traceBytes is about what spans take on the wire.
func traceBytes(spans []sdktrace.ReadOnlySpan) (n int) {
	const ids, times, perAttribute = 16 + 8 + 8, 8 + 8, 8
	for _, sp := range spans {
		n += ids + times + len(sp.Name()) + len(sp.Status().Description)
		for _, kv := range sp.Attributes() {
			n += perAttribute + len(kv.Key) + len(kv.Value.AsString()) + 8
		}
	}
	return n
}
