// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"fmt"
	"testing"
	"time"
)

// blamed says whom a timeline's last phase but handler wait blames, and what
// for: "kind from peer: state: detail", "nobody" if there is none.
func blamed(tl *timeline, p Phase) string {
	for _, v := range tl.views() {
		if v.phase != p {
			continue
		}
		if v.culprit == nil {
			return "nobody"
		}
		return fmt.Sprintf("%s: %s: %s", v.culprit.who(), v.culprit.State, v.culprit.Detail)
	}
	return "there is no such phase"
}

// TestWhichPartIsBlamed: of a connection, an RPC, the PING's acknowledgement,
// the linger, or none of them.
func TestWhichPartIsBlamed(t *testing.T) {
	const (
		c1   = "connection from 10.0.0.1:40001: "
		rpc1 = "rpc greeter.v1.Greeter/Chat from 10.0.0.1:40001: "
		call = "rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001: "
	)
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"the RPC that ended last",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)),
				unary(-sec, 5*sec), stream(-sec, 9*sec, inRecv(9*sec))),
			rpc1 + "in Recv: no deadline, handler blocked in Recv for 9.0s, 2 messages in, 1 out, not told of the shutdown",
		}, {
			"the older of two that ended together",
			returnedAt(9*sec, oneListener,
				conn(told(0), goneAt(9*sec)), unary(-sec, 9*sec), stream(0, 9*sec)),
			call + "in handler: no deadline, handler running",
		}, {
			"an RPC that the client has cancelled does not hold its connection",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(5*sec)),
				stream(-sec, 9*sec, cancelledAt(sec)), unary(-sec, 5*sec)),
			call + "in handler: no deadline, handler running",
		}, {
			"nor one that was cancelled before the call",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*ms)), unary(-sec, 9*sec, cancelledAt(-1))),
			c1 + "linger: the peer did not close for 9.0ms",
		}, {
			"a mute peer",
			returnedAt(6*sec, oneListener, conn(goAwayAt(0), finalAt(5*sec), goneAt(6*sec))),
			c1 + "ping unacknowledged: PING not acknowledged for 5.0s, then the peer did not close for 1.0s",
		}, {
			"a mute peer whose RPC ended sooner",
			returnedAt(5*sec, oneListener,
				conn(goAwayAt(0), finalAt(5*sec), goneAt(5*sec)), unary(-sec, sec)),
			c1 + "ping unacknowledged: PING not acknowledged for 5.0s",
		}, {
			"a mute peer whose RPC ended later",
			returnedAt(8*sec, oneListener,
				conn(goAwayAt(0), finalAt(5*sec), goneAt(8*sec)), unary(-sec, 8*sec)),
			call + "in handler: no deadline, handler running",
		}, {
			"a mute peer and its RPC, both still there: grpc waits 5 s at most for the first",
			unfinishedAt(3*sec, oneListener, conn(goAwayAt(0)), unary(-sec, never)),
			call + "in handler: no deadline, handler running",
		}, {
			"a peer that does not close",
			returnedAt(sec, oneListener, conn(told(0), goneAt(sec))),
			c1 + "linger: the peer did not close for 1.0s",
		}, {
			"it does not close after a short RPC",
			returnedAt(1500*ms, oneListener, conn(told(0), goneAt(1500*ms)), unary(-sec, 500*ms)),
			c1 + "linger: the peer did not close for 1.0s",
		}, {
			"it does not close after a long RPC",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)), unary(-sec, 8*sec)),
			call + "in handler: no deadline, handler running",
		}, {
			"the linger still lasts: it holds now",
			unfinishedAt(8500*ms, oneListener, conn(told(0)), unary(-sec, 8*sec)),
			c1 + "linger: the peer did not close for 500ms",
		}, {
			"bytes that a peer does not read: the handler has returned",
			unfinishedAt(9*sec, oneListener, conn(told(0), streams(1)), unary(-sec, 2*sec)),
			c1 + "bytes unsent: 1 stream still open although the handlers have returned: " +
				"the client does not read the answer, or an interceptor has its stream",
		}, {
			"bytes that it read at last",
			returnedAt(9*sec, oneListener,
				conn(told(0), streamsDone(9*sec), goneAt(9*sec)), unary(-sec, 2*sec)),
			c1 + "bytes unsent: its last stream was closed 7.0s after the handlers had returned: " +
				"the client did not read the answer, or an interceptor has its stream",
		}, {
			"streams that no interceptor sees, cut by the peer: no linger",
			returnedAt(9*sec, oneListener, conn(told(0), streams(2), goneAt(9*sec))),
			c1 + "streams open: 2 streams open that no handler is seen to have" + unseenStream,
		}, {
			"a GOAWAY that does not leave",
			unfinishedAt(9*sec, oneListener, conn()),
			c1 + "goaway unsent: the first GOAWAY has not left",
		}, {
			"a Write that does not end",
			unfinishedAt(9*sec, oneListener, conn(blockedSince(-sec))),
			c1 + "write blocked: a Write has been blocked for 10.0s",
		}, {
			"a GOAWAY that left late",
			returnedAt(9*sec, oneListener, conn(told(8900*ms), goneAt(9*sec))),
			c1 + "goaway unsent: its first GOAWAY left only after 7.9s",
		}, {
			"frames are not seen, the RPC is",
			returnedAt(9*sec, oneListener, conn(unseen, goneAt(9*sec)), unary(-sec, 9*sec)),
			call + "in handler: no deadline, handler running",
		}, {
			"frames are not seen, and the RPC has ended",
			unfinishedAt(9*sec, oneListener, conn(unseen), unary(-sec, 2*sec)),
			c1 + ": its frames were not seen",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := blamed(tt.tl, PhaseConnWait); got != tt.want {
				t.Errorf("blamed:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestWhoIsBlamed: among several holders of a phase the one that let go last.
func TestWhoIsBlamed(t *testing.T) {
	failed := func(at time.Duration) change { return raw(settledAt(at), closedAt(at)) }
	for _, tt := range []struct {
		name  string
		phase Phase
		tl    *timeline
		want  string
	}{
		{
			"the connection that goes last", PhaseConnWait,
			returnedAt(9*sec, oneListener,
				conn(told(0), goneAt(sec)), conn(told(0), goneAt(9*sec)), unary(0, 9*sec)),
			"rpc greeter.v1.Greeter/SayHello from 10.0.0.2:40002: in handler: no deadline, handler running",
		}, {
			"the older of two that go together", PhaseHandshakeWait,
			returnedAt(9*sec, oneListener, failed(9*sec), failed(9*sec)),
			"handshake from 10.0.0.1:40001: tcp: 0 bytes read",
		}, {
			"the older of two that still hold", PhaseHandshakeWait,
			unfinishedAt(9*sec, oneListener, raw(), raw()),
			"handshake from 10.0.0.1:40001: tcp: 0 bytes read",
		}, {
			"one that still holds rather than one that has let go", PhaseHandshakeWait,
			unfinishedAt(9*sec, oneListener, failed(8*sec), raw()),
			"handshake from 10.0.0.2:40002: tcp: 0 bytes read",
		}, {
			"the connection that was awaited, not the ones that GOAWAY leaves out", PhaseGoAway,
			returnedAt(9*sec, oneListener,
				conn(unseen), conn(blockedSince(-sec)), conn(goAwayAt(20*ms)), conn(goAwayAt(-sec))),
			"connection from 10.0.0.3:40003: goaway unsent: the first GOAWAY left after 20ms",
		}, {
			"nobody: there was nothing to wait for", PhaseGoAway,
			returnedAt(9*sec, oneListener, conn(unseen), conn(told(0))), "nobody",
		}, {
			"nobody: a forced stop is held by what was blamed before", PhaseForcedStop,
			returnedAt(9*sec, oneListener,
				conn(told(0), goneAt(8*sec+ms-us)), unary(0, 8*sec+ms), forcedAt(8*sec)),
			"nobody",
		}, {
			"a connection that Stop took long to end", PhaseForcedStop,
			returnedAt(9*sec, oneListener,
				conn(told(0), goneAt(8*sec+ms-us)), conn(told(0), goneAt(8*sec+ms)), forcedAt(8*sec)),
			"connection from 10.0.0.2:40002: : Stop took 1.0ms to end it",
		}, {
			"the handshake that Stop waited for, not the connections that it ended after it",
			PhaseForcedStop,
			returnedAt(9*sec, oneListener,
				conn(goneAt(8100*ms+ms-us)), raw(settledAt(8100*ms), closedAt(8100*ms)), forcedAt(8*sec)),
			"handshake from 10.0.0.2:40002: tcp: 0 bytes read",
		}, {
			"an accept loop that Stop waited for", PhaseForcedStop,
			returnedAt(9*sec, listener(0, 0, 8100*ms), conn(goneAt(8100*ms)), forcedAt(8*sec)),
			"listener 10.0.0.100:50051: : Accept of *net.TCPListener returned 8.1s after Close",
		}, {
			"a connection that outlasts the handshake", PhaseForcedStop,
			returnedAt(9*sec, oneListener,
				conn(goneAt(8200*ms)), raw(settledAt(8100*ms), closedAt(8100*ms)), forcedAt(8*sec)),
			"connection from 10.0.0.1:40001: : Stop took 200ms to end it",
		}, {
			"what survives a forced stop", PhaseForcedStop,
			unfinishedAt(9*sec, oneListener, conn(told(0)), unary(0, never), forcedAt(8*sec), givenUp),
			"connection from 10.0.0.1:40001: : Stop has not ended it",
		}, {
			"an RPC of which the connection is not known", PhaseConnWait,
			returnedAt(9*sec, oneListener, unary(-sec, 9*sec), conn(told(0), goneAt(5*sec))),
			"connection from 10.0.0.1:40001: linger: the peer did not close for 5.0s",
		}, {
			"one that went on after conn wait holds the handler wait only", PhaseHandlerWait,
			returnedAt(9*sec, oneListener, unary(-sec, 9*sec), conn(told(0), goneAt(5*sec))),
			"handler greeter.v1.Greeter/SayHello on an unknown connection: in handler: ",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := blamed(tt.tl, tt.phase); got != tt.want {
				t.Errorf("blamed:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestReleasedBy: who let go last and how long before the end of the phase.
func TestReleasedBy(t *testing.T) {
	tl := returnedAt(9*sec, oneListener, conn(told(0), goneAt(8*sec)), unary(0, 8*sec))
	v := tl.views()[4]
	if v.released != "connection from 10.0.0.1:40001" || v.gap != 0 {
		t.Errorf("conn wait was released by %q, %s before its end", v.released, v.gap)
	}
	tl = returnedAt(9*sec, oneListener, unary(-sec, 7*sec))
	v = tl.views()[5]
	if v.released != "handler greeter.v1.Greeter/SayHello on an unknown connection" || v.gap != 2*sec {
		t.Errorf("handler wait was released by %q, %s before its end", v.released, v.gap)
	}
}
