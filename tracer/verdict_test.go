// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// TestVerdict reads each line as a tired person at 3 a.m. would: which phase,
// how long of how long, who, and why.
func TestVerdict(t *testing.T) {
	silent := raw(goneAt(2*time.Minute), settledAt(2*time.Minute))
	other := &watch.Method{Name: "_OTHER", Short: "_OTHER", Original: "x.Y/Z"}
	tlsHalf := func(c *connLine) { c.stage, c.bytesRead = watch.StageTLS, 517 }
	noPreface := func(c *connLine) { c.stage, c.bytesRead = watch.StagePreface, 1460 }
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"nothing held it",
			returnedAt(700*time.Microsecond, oneListener, conn(told(0), goneAt(600*time.Microsecond))),
			"graceful in 700µs, nothing held it",
		}, {
			"GOAWAY takes some milliseconds on a busy machine: not worth a name",
			returnedAt(9*ms, oneListener, conn(told(9*ms), goneAt(9*ms))),
			"graceful in 9.0ms, nothing held it",
		}, {
			"a GOAWAY that is slow",
			returnedAt(90*ms, oneListener, conn(told(90*ms), goneAt(90*ms))),
			"GOAWAY took 90ms of 90ms: connection from 10.0.0.1:40001, open 1m00s, " +
				"the first GOAWAY left after 90ms",
		}, {
			"another stop call",
			returnedAt(3*sec, listener(3*sec, 3*sec, 3*sec)),
			"quit took 3.0s of 3.0s: what held it was not seen",
		}, {
			"a slow Close",
			returnedAt(3*sec, listener(0, 3*sec, 3*sec)),
			"listener close took 3.0s of 3.0s: listener 10.0.0.100:50051, Close of *net.TCPListener took 3.0s",
		}, {
			"an Accept that ignores Close",
			returnedAt(3*sec, listener(0, 0, 3*sec)),
			"handshake wait took 3.0s of 3.0s: listener 10.0.0.100:50051, " +
				"Accept of *net.TCPListener returned 3.0s after Close",
		}, {
			"a silent peer",
			returnedAt(2*time.Minute, oneListener, silent),
			"handshake wait took 2m00s of 2m00s: " +
				"handshake from 10.0.0.1:40001 never finished, open 3m00s, 0 bytes read",
		}, {
			"a silent peer, and a forced stop that waits for it longer than the grace period",
			returnedAt(180*ms, oneListener, raw(settledAt(180*ms), closedAt(180*ms)), forcedAt(80*ms)),
			"forced stop took 100ms of 180ms: " +
				"handshake from 10.0.0.1:40001 never finished, open 1m00s, 0 bytes read",
		}, {
			"a silent peer, and one client that is not told",
			returnedAt(2*time.Minute, oneListener, silent, conn(told(2*time.Minute), goneAt(2*time.Minute))),
			"handshake wait took 2m00s of 2m00s: " +
				"handshake from 10.0.0.1:40001 never finished, open 3m00s, 0 bytes read; " +
				"until then 1 other connection got no GOAWAY",
		}, {
			"two that are not told, one that has been, one that is gone",
			returnedAt(2*time.Minute, oneListener, silent, conn(), conn(),
				conn(goAwayAt(-sec)), conn(goneAt(-sec))),
			"handshake wait took 2m00s of 2m00s: " +
				"handshake from 10.0.0.1:40001 never finished, open 3m00s, 0 bytes read; " +
				"until then 2 other connections got no GOAWAY",
		}, {
			"Stop tells nobody anyhow",
			returnedAt(2*time.Minute, onlyStop, oneListener, silent, conn()),
			"handshake wait took 2m00s of 2m00s: " +
				"handshake from 10.0.0.1:40001 never finished, open 3m00s, 0 bytes read",
		}, {
			"half a TLS handshake",
			returnedAt(3*sec, oneListener, raw(tlsHalf, settledAt(3*sec), closedAt(3*sec))),
			"handshake wait took 3.0s of 3.0s: handshake from 10.0.0.1:40001 never finished, " +
				"open 1m03s, inside the credentials' handshake, 517 bytes read",
		}, {
			"no preface",
			returnedAt(3*sec, oneListener, raw(noPreface, settledAt(3*sec), closedAt(3*sec))),
			"handshake wait took 3.0s of 3.0s: handshake from 10.0.0.1:40001 never finished, " +
				"open 1m03s, credentials' handshake done, no HTTP/2 preface, 1460 bytes read",
		}, {
			"a slow handshake that succeeds",
			returnedAt(3*sec, oneListener, conn(noPreface, settledAt(3*sec), told(3*sec), goneAt(3*sec))),
			"handshake wait took 3.0s of 3.0s: handshake from 10.0.0.1:40001 took 1m03s, 1460 bytes read",
		}, {
			"an unknown RPC method",
			returnedAt(3*sec, oneListener, conn(told(0), goneAt(3*sec)),
				stream(-sec, 3*sec, inRecv(3*sec), func(r *rpcLine) { r.method = other })),
			"conn wait took 3.0s of 3.0s: rpc _OTHER (x.Y/Z) from 10.0.0.1:40001, open 4.0s, " +
				"no deadline, handler blocked in Recv for 3.0s, 2 messages in, 1 out, " +
				"not told of the shutdown",
		}, {
			"a handler that ignores its context",
			returnedAt(15*sec, oneListener, conn(told(0), goneAt(2*sec)), unary(-3*sec, 15*sec)),
			"handler wait took 13.0s of 15.0s: handler greeter.v1.Greeter/SayHello from 10.0.0.1:40001, " +
				"open 18.0s, returned 13.0s after its ctx was cancelled",
		}, {
			"a handler whose connection nobody knows",
			returnedAt(5*sec, oneListener, unary(-sec, 5*sec)),
			"handler wait took 5.0s of 5.0s: " +
				"handler greeter.v1.Greeter/SayHello on an unknown connection, open 6.0s",
		}, {
			"interceptors only",
			returnedAt(5*sec, unary(-sec, 5*sec, deadlineAt(65*sec))),
			"conn wait took 5.0s of 5.0s: rpc greeter.v1.Greeter/SayHello on an unknown connection, open 6.0s, " +
				"deadline in 1m00s, handler running " +
				"(RPCs only: no listener was watched, so connections and handshakes are not known)",
		}, {
			"TLS that is not wrapped",
			returnedAt(5*sec, oneListener, conn(unseen, goneAt(5*sec)), conn(unseen, goneAt(sec))),
			"conn wait took 5.0s of 5.0s: connection from 10.0.0.1:40001, open 1m05s, its frames were not seen " +
				"(the frames of 2 connections were not seen: wrap the server's credentials)",
		}, {
			"it still lasts",
			unfinishedAt(5*sec, oneListener, conn(told(0)),
				stream(-sec, never, inSend(5*sec), deadlineAt(4*sec))),
			"conn wait for 5.0s so far: rpc greeter.v1.Greeter/Chat from 10.0.0.1:40001, open 6.0s, " +
				"deadline passed, handler blocked in Send for 5.0s, 2 messages in, 1 out",
		}, {
			"a handshake still lasts",
			unfinishedAt(5*sec, oneListener, raw()),
			"handshake wait for 5.0s so far: " +
				"handshake from 10.0.0.1:40001 has not finished, open 1m05s, 0 bytes read",
		}, {
			"a Close and an Accept still last",
			unfinishedAt(5*sec, listener(0, never, never)),
			"listener close for 5.0s so far: listener 10.0.0.100:50051, " +
				"Close of *net.TCPListener has not returned for 5.0s",
		}, {
			"an Accept still lasts",
			unfinishedAt(5*sec, listener(0, sec, never)),
			"handshake wait for 4.0s so far: listener 10.0.0.100:50051, " +
				"Accept of *net.TCPListener has not returned 5.0s after Close",
		}, {
			"nothing is left, and the call has not returned",
			unfinishedAt(5*sec, oneListener, conn(told(0), goneAt(4*sec))),
			"handler wait for 1.0s so far: what holds it is not seen",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.tl.verdict(tt.tl.views()); got != tt.want {
				t.Errorf("verdict:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}
