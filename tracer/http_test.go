// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"maps"
	"testing"
	"time"
)

// TestServeHTTP has what becomes of RPCs that came through ServeHTTP: ours, for
// which grpc's stop is held back, and those of the grpc server itself, which its
// drain cuts.
func TestServeHTTP(t *testing.T) {
	const (
		hello  = "greeter.v1.Greeter/SayHello"
		of     = hello + " through ServeHTTP from 10.0.0.9:40009, "
		behind = " (its connections are an http.Server's, and not watched)"
	)
	newGRPC := ofVersion("1.82.0")
	for _, tt := range []struct {
		name    string
		tl      *timeline
		outcome Outcome
		errType string
		cut     int
		verdict string
	}{
		{
			"waited for",
			returnedAt(8*sec, newGRPC, awaits(8*sec), unary(-sec, 8*sec, throughOurs),
				unary(-sec, 2*sec, throughOurs)),
			OutcomeGraceful, "", 0,
			"ServeHTTP wait took 8.0s of 8.0s: rpc " + of + "open 9.0s, no deadline, handler running" + behind,
		}, {
			"still waited for",
			unfinishedAt(3*sec, newGRPC, awaits(never), unary(-sec, never, throughOurs),
				unary(-sec, never, throughOurs)),
			OutcomeRunning, "", 0,
			"ServeHTTP wait for 3.0s so far: rpc " + of + "open 4.0s, no deadline, handler running; 1 more like it" + behind,
		}, {
			"forced meanwhile",
			returnedAt(8*sec+ms, newGRPC, awaits(8*sec), forcedAt(8*sec), unary(-sec, 8*sec, throughOurs)),
			OutcomeForced, "forced", 1,
			"ServeHTTP wait took 8.0s of 8.0s: rpc " + of + "open 9.0s, no deadline, handler running; " +
				"the forced stop released it, cutting 1 RPC; its handler returned 0µs after the cancel: " +
				"it only lacked a signal" + behind,
		}, {
			"a handler outlives its client, which nobody cut",
			returnedAt(8*sec, newGRPC, unary(-sec, 8*sec, throughOurs, cancelledAt(-1))),
			OutcomeGraceful, "", 0,
			"handler wait took 8.0s of 8.0s: handler " + of + "open 9.0s, its ctx was cancelled before the stop and is ignored" + behind,
		}, {
			"cut so that others are told",
			returnedAt(4*sec+ms, newGRPC, awaitsAndCuts(4*sec), listener(4*sec, 4*sec, 4*sec),
				conn(told(4*sec), goneAt(4*sec)), unary(-sec, 4*sec+ms, throughOurs)),
			OutcomeForced, "servehttp_cut", 1,
			"ServeHTTP wait took 4.0s of 4.0s: rpc " + of + "open 5.0s, no deadline, handler running; to tell the " +
				"other clients, the server cut 1 RPC that came through ServeHTTP (" + hello + ")",
		}, {
			"Stop",
			returnedAt(ms, newGRPC, onlyStop, unary(-sec, ms, throughHTTP)),
			OutcomeForced, "forced", 1, "forced in 1.0ms, nothing held it; Stop cut 1 RPC (" + hello + ")" + behind,
		}, {
			"drained: what had ended by then was not cut, what came later was",
			returnedAt(2*sec+ms, newGRPC, listener(0, 0, 2*sec), unary(-sec, sec, throughHTTP),
				unary(-sec, 2*sec, throughHTTP), unary(-sec, 2*sec+ms, throughHTTP),
				unary(2*sec+ms, 2*sec+ms, throughHTTP), unary(-sec, 2*sec+ms, throughHTTP, cancelledAt(sec))),
			OutcomeForced, "servehttp_cut", 2,
			"handshake wait took 2.0s of 2.0s: listener 10.0.0.100:50051, Accept of *net.TCPListener returned " +
				"2.0s after Close; GracefulStop cut 2 RPCs that came through ServeHTTP (" + hello + ")",
		}, {
			"drained at once: who cancelled it is not known, but to be guessed",
			returnedAt(ms, newGRPC, unary(-sec, ms, throughHTTP, cancelledAt(-1))),
			OutcomeForced, "servehttp_cut", 1,
			"forced in 1.0ms, nothing held it; GracefulStop cut 1 RPC that came through ServeHTTP (" + hello + ")" + behind,
		}, {
			"an old grpc-go does not cut",
			returnedAt(8*sec, ofVersion("1.81.9"), unary(-sec, 8*sec, throughHTTP)),
			OutcomeGraceful, "", 0,
			"conn wait took 8.0s of 8.0s: rpc " + of + "open 9.0s, no deadline, handler running" + behind,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			views := tt.tl.views()
			r := tt.tl.report(views, time.Time{})
			if r.Outcome != tt.outcome || cutTotal(r.RPCsCut) != tt.cut {
				t.Errorf("%s, cut %v, want %s and %d", r.Outcome, r.RPCsCut, tt.outcome, tt.cut)
			}
			if r.Verdict != tt.verdict {
				t.Errorf("verdict:\n%s\nwant\n%s", r.Verdict, tt.verdict)
			}
			if tt.outcome == OutcomeRunning {
				return
			}
			for _, sp := range finished(t, tt.tl) {
				got, _ := attrsOf(sp)["error.type"].(string)
				if want := map[string]string{spanRoot: tt.errType}[sp.Name()]; got != want {
					t.Errorf("%s: error.type %q, want %q", sp.Name(), got, want)
				}
			}
		})
	}
}

// TestServeHTTPPhases: the wait comes first, and what follows begins at its end.
func TestServeHTTPPhases(t *testing.T) {
	for want, tl := range map[string]*timeline{
		"ServeHTTP wait 3s, quit 3.5s, listener close 4s, handshake wait 4s, GOAWAY 5s, conn wait 6s, handler wait 6s": returnedAt(
			6*sec, awaits(3*sec), listener(3500*ms, 4*sec, 4*sec), conn(told(5*sec), goneAt(6*sec))),
		"ServeHTTP wait ...": unfinishedAt(6*sec, awaits(never), listener(never, never, never)),
		"ServeHTTP wait 3s, forced stop 4s, handler wait 4s": returnedAt(4*sec, awaits(3*sec), forcedAt(3*sec),
			listener(3*sec, 4*sec, 4*sec)),
	} {
		if got := prose(tl.phases()); got != want {
			t.Errorf("phases\n%s\nwant\n%s", got, want)
		}
	}
	tl := returnedAt(8*sec, awaits(8*sec), unary(-sec, 8*sec, throughOurs), unary(-sec, 8*sec, throughHTTP))
	if hs := tl.views()[0].holders; len(hs) != 1 || hs[0].Transport != "servehttp" {
		t.Errorf("holders of the wait: %+v, want the one that is waited for", hs)
	}
}

// TestCutCounts: each RPC that was cut is counted once, whoever cut it.
func TestCutCounts(t *testing.T) {
	tl := returnedAt(9*sec, ofVersion("1.85.0"), oneListener, conn(told(0), goneAt(8*sec)),
		unary(-sec, 8*sec), stream(-sec, sec, throughHTTP), stream(-sec, 9*sec, throughHTTP), forcedAt(8*sec))
	want := map[string]int{"greeter.v1.Greeter/SayHello": 1, "greeter.v1.Greeter/Chat": 2}
	if got := tl.cutRPCs(true); !maps.Equal(got, want) {
		t.Errorf("cut %v, want %v", got, want)
	}
	delete(want, "greeter.v1.Greeter/Chat")
	if got := tl.cutRPCs(false); !maps.Equal(got, want) {
		t.Errorf("cut by the forced stop: %v, want %v", got, want)
	}
}
