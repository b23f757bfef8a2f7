// SPDX-License-Identifier: Apache-2.0

package tracer

import "testing"

// TestEnding has the outcome of each kind of end and the last part of its
// verdict.
func TestEnding(t *testing.T) {
	const (
		rpc       = "rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001, "
		handler   = "handler greeter.v1.Greeter/SayHello from 10.0.0.1:40001, "
		handshake = "handshake from 10.0.0.1:40001 "
	)
	for _, tt := range []struct {
		name    string
		tl      *timeline
		outcome Outcome
		want    string
	}{
		{
			"graceful",
			returnedAt(8*sec, oneListener, conn(told(0), goneAt(8*sec)), unary(0, 8*sec)),
			OutcomeGraceful,
			"conn wait took 8.0s of 8.0s: " + rpc + "open 8.0s, no deadline, handler running",
		}, {
			"Stop",
			returnedAt(ms, onlyStop, oneListener, conn(goneAt(ms)), unary(-sec, ms), unary(-sec, ms)),
			OutcomeForced,
			"forced in 1.0ms, nothing held it; Stop cut 2 RPCs (greeter.v1.Greeter/SayHello)",
		}, {
			"Stop that cuts nothing",
			returnedAt(ms, onlyStop, oneListener),
			OutcomeForced,
			"forced in 1.0ms, nothing held it",
		}, {
			"Stop that waits for a handler",
			returnedAt(3*sec, onlyStop, oneListener, conn(goneAt(0)), unary(-sec, 3*sec)),
			OutcomeForced,
			"handler wait took 3.0s of 3.0s: " + handler + "open 4.0s, returned 3.0s after its ctx was cancelled; Stop cut 1 RPC",
		}, {
			"forced in conn wait",
			returnedAt(8*sec+ms, oneListener, conn(told(0), goneAt(8*sec)), unary(0, 8*sec), forcedAt(8*sec)),
			OutcomeForced,
			"conn wait took 8.0s of 8.0s: " + rpc + "open 8.0s, no deadline, handler running; " +
				"the forced stop released it, cutting 1 RPC; " +
				"its handler returned 0µs after the cancel: it only lacked a signal",
		}, {
			"forced in handshake wait: the peer is cut, and the clients never told",
			returnedAt(5*sec+ms, oneListener, raw(settledAt(5*sec), closedAt(5*sec)), conn(goneAt(5*sec)),
				forcedAt(5*sec)),
			OutcomeForced,
			"handshake wait took 5.0s of 5.0s: " + handshake + "never finished, open 1m05s, 0 bytes read; " +
				"1 other connection never got a GOAWAY; the forced stop released it",
		}, {
			"forced after what took longest had ended by itself",
			returnedAt(8*sec, oneListener, raw(settledAt(6*sec), closedAt(6*sec)),
				conn(told(6*sec), goneAt(8*sec)), unary(0, 8*sec), forcedAt(8*sec)),
			OutcomeForced,
			"handshake wait took 6.0s of 8.0s: " + handshake + "never finished, open 1m06s, 0 bytes read; " +
				"until then 1 other connection got no GOAWAY; " +
				"the forced stop cut 1 RPC (greeter.v1.Greeter/SayHello)",
		}, {
			"forced in handler wait: there was nothing to force",
			returnedAt(8*sec, oneListener, conn(told(0), goneAt(0)), unary(-sec, 8*sec), forcedAt(7*sec)),
			OutcomeGraceful,
			"handler wait took 8.0s of 8.0s: " + handler + "open 9.0s, returned 8.0s after its ctx was cancelled",
		}, {
			"forced, and a handler runs on for longer",
			returnedAt(8*sec, oneListener, conn(told(0), goneAt(2*sec)), unary(-sec, 8*sec), forcedAt(2*sec)),
			OutcomeForced,
			"handler wait took 6.0s of 8.0s: " + handler + "open 9.0s, returned 6.0s after its ctx was cancelled; " +
				"the forced stop cut 1 RPC",
		}, {
			"left behind: a handler",
			unfinishedAt(8100*ms, oneListener, conn(told(0), goneAt(8*sec)), unary(0, never),
				forcedAt(8*sec), givenUp),
			OutcomeForced,
			"conn wait took 8.0s of 8.1s: " + rpc + "open 8.0s, no deadline, handler running; " +
				"the forced stop released it, cutting 1 RPC; " +
				"left behind: handler greeter.v1.Greeter/SayHello from 10.0.0.1:40001",
		}, {
			"left behind: a handshake in a TLS callback",
			unfinishedAt(8200*ms, oneListener, raw(), conn(), forcedAt(8*sec), givenUp),
			OutcomeForced,
			"handshake wait took 8.0s of 8.2s: " + handshake + "has not finished, open 1m08s, 0 bytes read; " +
				"1 other connection never got a GOAWAY; the forced stop did not end it; " +
				"left behind: handshake from 10.0.0.1:40001",
		}, {
			"given up without a forced stop",
			unfinishedAt(8*sec, oneListener, conn(told(0)), unary(0, never), givenUp),
			OutcomeForced,
			"conn wait took 8.0s of 8.0s: " + rpc + "open 8.0s, no deadline, handler running; " +
				"left behind: rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			views := tt.tl.views()
			if got := tt.tl.outcome(views); got != tt.outcome {
				t.Errorf("outcome %s, want %s", got, tt.outcome)
			}
			if got := tt.tl.verdict(views); got != tt.want {
				t.Errorf("verdict:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}
