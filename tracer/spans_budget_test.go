// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// crowd is 10,000 connections with three RPCs each and 5,000 silent peers. The
// later a connection was made, the longer it holds. The last peer to let go of
// the handshake wait hardly held it at all. 700 handlers stay behind.
func crowd() *timeline {
	changes := []change{oneListener}
	for range 5_000 {
		changes = append(changes, raw(settledAt(sec), closedAt(sec)))
	}
	lastPeer := func(c *connLine) { c.accepted, c.handshake = sec-ms, sec-ms }
	changes = append(changes, raw(lastPeer, settledAt(sec+ms), closedAt(sec+ms)))
	for i := range 10_000 {
		gone := 2*sec + time.Duration(i)*ms
		changes = append(changes, conn(told(sec+ms), goneAt(gone)),
			unary(-sec, gone), unary(-sec, gone-ms), stream(-sec, gone-500*ms))
	}
	for range 700 {
		changes = append(changes, unary(-sec, 25*sec, onUnknownConnection))
	}
	return returnedAt(25*sec, changes...)
}

// TestNothingIsLostUncounted: every holder has a span, or is counted in a
// summary, and the root tells how many.
func TestNothingIsLostUncounted(t *testing.T) {
	tl := crowd()
	spans := finished(t, tl)
	if len(spans) > 1500 {
		t.Errorf("%d spans, want at most 1,500", len(spans))
	}
	count := make(map[string]int)
	var summarised int64
	for _, sp := range spans {
		name, _, _ := strings.Cut(sp.Name(), " Greeter/")
		count[name]++
		if sp.Name() == spanSummary {
			summarised += intOf(sp, keyCount) + intOf(sp, keyBelow)
			count[attrsOf(sp)[keyPhase].(string)] += int(intOf(sp, keyCount) + intOf(sp, keyBelow))
		}
	}
	// A span of the phase itself is counted by its name too.
	for phase, want := range map[string]int{
		"handshake wait": 5_001 + 1, "conn wait": 10_000 + 30_000 + 1, "handler wait": 700 + 1,
	} {
		own := map[string]int{
			"handshake wait": count["handshake"], "conn wait": count["connection"] + count["rpc"],
			"handler wait": count["handler"],
		}[phase]
		if own == 0 || own+count[phase] != want {
			t.Errorf("%s: %d spans and %d counted, want %d together", phase, own, count[phase], want)
		}
	}
	if got := intOf(theSpan(t, spans, spanRoot), keySummarised); got != summarised {
		t.Errorf("the root says that %d are summarised, the summaries say %d", got, summarised)
	}
	if n := count["handler"]; n < keptForHandlers {
		t.Errorf("%d handlers have spans, want at least the %d that are kept for them", n, keptForHandlers)
	}
}

// TestTheLongestHaveSpans, and the culprit, however short it held.
func TestTheLongestHaveSpans(t *testing.T) {
	tl := crowd()
	views := tl.views()
	culprit := views[2].culprit
	if culprit.Held != Duration(2*ms) {
		t.Fatalf("the culprit is %s, which held %s", culprit.who(), culprit.Held)
	}
	var id string
	spans := record(t, func(s *spans) {
		s.advance(tl, views)
		id = s.id(culprit.key).String()
	})
	shortest, found := time.Hour, false
	for _, sp := range spans {
		if sp.SpanContext().SpanID().String() == id {
			found = true
		}
		if sp.Name() == "connection" {
			shortest = min(shortest, sp.EndTime().Sub(sp.StartTime()))
		}
	}
	if !found {
		t.Error("the culprit has no span")
	}
	if want := 10*sec + 798*ms; shortest < want {
		t.Errorf("a connection that held %s has a span, want none below %s", shortest, want)
	}
}

// TestOneConnectionDoesNotTakeAllSpans: the first one has a thousand RPCs that
// ended early, the second is the one that held.
func TestOneConnectionDoesNotTakeAllSpans(t *testing.T) {
	changes := []change{oneListener, conn(told(0), goneAt(sec))}
	for range 1000 {
		changes = append(changes, unary(-sec, sec))
	}
	changes = append(changes, conn(told(0), goneAt(9*sec)), stream(0, 9*sec))
	early := unfinishedAt(2*sec, append(slices.Clip(changes), func(tl *timeline) {
		tl.conns[1].gone, tl.conns[1].closed, tl.rpcs[1000].end = never, never, never
	})...)
	tl := returnedAt(9*sec, changes...)
	spans := record(t, func(s *spans) {
		s.advance(early, early.views())
		s.ended(early, early.views())
		s.finish(tl)
	})
	theSpan(t, spans, "rpc Greeter/Chat")
	fitsJaeger(t, spans)
}

// TestEndedIsSentOnce: what was sent while conn wait lasted is not sent again.
func TestEndedIsSentOnce(t *testing.T) {
	gone := conn(told(0), goneAt(2*sec))
	early := unfinishedAt(3*sec, oneListener, gone, conn(told(0)), unary(-sec, never))
	tl := returnedAt(9*sec, oneListener, gone, conn(told(0), goneAt(9*sec)), unary(-sec, 9*sec))
	sent := record(t, func(s *spans) {
		s.advance(early, early.views())
		s.ended(early, early.views())
		s.ended(early, early.views())
		s.finish(tl)
	})
	fitsJaeger(t, sent)
	if n := strings.Count(outline(sent), "connection\n"); n != 2 {
		t.Errorf("%d spans of connections, want 2:\n%s", n, outline(sent))
	}
}

// TestCulpritIsMarked, also where a checkpoint falls between the moment when the last
// connection is gone and the one when grpc's own source says that none is left.
func TestCulpritIsMarked(t *testing.T) {
	gone := conn(told(0), goneAt(6*sec))
	compiled := func(none time.Duration) change { return compiledAt(0, 0, 0, 0, none) }
	early := unfinishedAt(6*sec, oneListener, gone, compiled(never))
	sent := record(t, func(s *spans) {
		s.advance(early, early.views())
		s.ended(early, early.views())
		s.finish(returnedAt(6*sec+ms, oneListener, gone, compiled(6*sec+ms)))
	})
	attrs := theSpan(t, sent, "connection").Attributes()
	if !slices.Contains(attrs, attribute.Bool(keyBlamed, true)) {
		t.Errorf("the connection that held the stop is not marked: %v", attrs)
	}
}

// TestCrowdIsFast: a shutdown's goroutine must not take the CPU that the
// handlers need. A view and the spans of 15,000 connections and 30,000 RPCs take
// some tens of milliseconds; the bound leaves room for the race detector.
func TestCrowdIsFast(t *testing.T) {
	tl := crowd()
	began := time.Now()
	finished(t, tl)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("views, spans and report took %s", took)
	} else {
		t.Logf("views, spans and report took %s", took)
	}
}
