// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestInterrupted: a second signal ends the process, and the report says what held
// then and what the exit cut.
func TestInterrupted(t *testing.T) {
	const (
		hello = "greeter.v1.Greeter/SayHello"
		rpc   = "rpc " + hello + " from 10.0.0.1:40001, "
	)
	ducking := func(end time.Duration) change {
		return func(tl *timeline) {
			tl.leading = true
			tl.steps = []stepLine{{phaseLine: phaseLine{PhaseLameDuck, 0, end}}}
		}
	}
	flushing := func(tl *timeline) {
		tl.steps = []stepLine{{
			phaseLine: phaseLine{PhaseAppFlush, sec, never},
			parts:     []partLine{{name: "otel", start: sec, end: never}},
		}}
	}
	for _, tt := range []struct {
		name string
		tl   *timeline
		cut  int
		want string
	}{
		{
			"an RPC holds",
			unfinishedAt(3200*ms, oneListener, conn(told(0)), unary(-sec, never), unary(-sec, sec),
				exitedAt(3200*ms)),
			1,
			"conn wait took 3.2s of 3.2s: " + rpc + "open 4.2s, no deadline, handler running; " +
				"exited on a second signal (SIGINT) after 3.2s, cutting 1 RPC",
		}, {
			"several, of which one ended while the report was made",
			unfinishedAt(3200*ms, oneListener, conn(told(0)), unary(-sec, never), stream(-sec, never),
				unary(-sec, 3200*ms), exitedAt(3199*ms)),
			2,
			"conn wait took 3.2s of 3.2s: " + rpc + "open 4.2s, no deadline, handler running; 1 more like it; " +
				"exited on a second signal (SIGINT) after 3.2s, cutting 2 RPCs " +
				"(greeter.v1.Greeter/Chat, " + hello + ")",
		}, {
			"no RPC, and none is said to be left behind",
			unfinishedAt(3*sec, oneListener, raw(), exitedAt(3*sec)), 0,
			"handshake wait took 3.0s of 3.0s: handshake from 10.0.0.1:40001 has not finished, open 1m03s, " +
				"0 bytes read; exited on a second signal (SIGINT) after 3.0s",
		}, {
			"a handler has lost its client",
			unfinishedAt(3*sec, oneListener, conn(told(0), goneAt(0)), unary(-sec, never),
				exitedAt(3*sec)),
			0,
			"handler wait took 3.0s of 3.0s: handler " + hello + " from 10.0.0.1:40001, open 4.0s, " +
				"ignores its ctx, cancelled 3.0s ago; exited on a second signal (SIGINT) after 3.0s",
		}, {
			"after a forced stop, which cut one, while the other's connection is still there",
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(8*sec)), unary(-sec, 8*sec),
				conn(told(0)), stream(-sec, never), forcedAt(8*sec), exitedAt(9*sec)),
			2,
			"conn wait took 8.0s of 9.0s: rpc greeter.v1.Greeter/Chat from 10.0.0.2:40002, open 9.0s, no deadline, " +
				"handler running, 2 messages in, 1 out, ctx not cancelled by GracefulStop; " +
				"the forced stop did not end it; " +
				"exited on a second signal (SIGINT) after 9.0s, cutting 1 RPC",
		}, {
			"in the lame duck",
			unfinishedAt(sec, oneListener, conn(), unary(-sec, never), ducking(never), exitedAt(sec)), 1,
			"forced in 1.0s (lame duck 1.0s), nothing held it; exited on a second signal (SIGINT) after 1.0s, " +
				"cutting 1 RPC (" + hello + ")",
		}, {
			"between the lame duck and the call",
			unfinishedAt(sec, oneListener, ducking(sec), exitedAt(sec)), 0,
			"forced in 1.0s (lame duck 1.0s), nothing held it; exited on a second signal (SIGINT) after 1.0s",
		}, {
			"while the application flushes",
			unfinishedAt(4*sec, backAt(sec), oneListener, flushing, exitedAt(4*sec)), 0,
			"app flush took 3.0s of 4.0s: flush otel, has not returned for 3.0s; " +
				"exited on a second signal (SIGINT) after 4.0s",
		}, {
			"behind an http.Server",
			unfinishedAt(3*sec, awaits(never), unary(-sec, never, throughOurs), exitedAt(3*sec)), 1,
			"ServeHTTP wait took 3.0s of 3.0s: rpc " + hello + " through ServeHTTP from 10.0.0.9:40009, open 4.0s, " +
				"no deadline, handler running; exited on a second signal (SIGINT) after 3.0s, cutting 1 RPC " +
				"(its connections are an http.Server's, and not watched)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.tl.report(tt.tl.views(), time.Time{})
			if r.Verdict != tt.want {
				t.Errorf("verdict:\n%s\nwant\n%s", r.Verdict, tt.want)
			}
			if r.Outcome != OutcomeForced || cutTotal(r.RPCsCut) != tt.cut || len(r.Outlived) > 0 {
				t.Errorf("%s, cut %v, outlived %v, want forced, %d and none",
					r.Outcome, r.RPCsCut, r.Outlived, tt.cut)
			}
			spans := finished(t, tt.tl)
			fitsJaeger(t, spans)
			root := attrsOf(theSpan(t, spans, spanRoot))
			if root["error.type"] != "forced" || root[keyExit] != "SIGINT" {
				t.Errorf("error.type %v, signal %v, want forced and SIGINT", root["error.type"], root[keyExit])
			}
		})
	}
}

// TestInterruptedShutdown: the report is of the moment of the signal, whatever
// comes of the stop after it, and the first signal counts.
func TestInterruptedShutdown(t *testing.T) {
	for _, later := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tr := silentTracer(t)
			defer tr.Close()
			s, _ := tr.BeginShutdown(Call{Graceful: true, Later: later})
			if later {
				s.Step(PhaseLameDuck)
			}
			time.Sleep(3200 * time.Millisecond)
			s.Interrupted("SIGINT")
			s.Interrupted("SIGTERM")
			want := "; exited on a second signal (SIGINT) after 3.2s"
			r := s.Finish(context.Background())
			if !strings.Contains(r.Verdict, want) || r.Outcome != OutcomeForced {
				t.Errorf("%s, want forced and %q: %s", r.Outcome, want, r.Verdict)
			}
		})
	}
}

// TestForcing: a forced stop begins when it goes on, not when the look at what it
// cuts is over.
func TestForcing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		time.Sleep(sec)
		s.Forcing()
		time.Sleep(sec)
		s.Forced()
		if got := s.timeline().forced; got != sec {
			t.Errorf("forced after %s, want 1s", got)
		}
		s.Finish(context.Background())
	})
}
