// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// dumpAt3s is what the goroutines told at 3 s.
func dumpAt3s(changes ...func(*dump)) change {
	return func(tl *timeline) {
		d := dump{began: 3 * sec, at: 3 * sec, goroutines: 100, rpcs: map[uint64]stackLine{}}
		for _, f := range changes {
			f(&d)
		}
		tl.dumps = append(tl.dumps, d)
	}
}

// inHook says that goroutines are in a user hook.
func inHook(hook string, count int) func(*dump) {
	return func(d *dump) {
		d.hooks = append(d.hooks, hookLine{
			stackLine: stackLine{function: "main.slow", source: "main.go:7"}, hook: hook, count: count,
		})
	}
}

// unseenStream is what a stream without a handler may be.
const unseenStream = ": an answer that is not read, a message that has not come, or code outside of the handlers"

// inMain says where the handler of an RPC is.
func inMain(rpc uint64) func(*dump) {
	return func(d *dump) { d.rpcs[rpc] = stackLine{function: "main.greet", source: "main.go:88"} }
}

// decoding says that grpc waits for an RPC's message.
func decoding(rpc uint64) func(*dump) {
	return func(d *dump) { d.rpcs[rpc] = stackLine{decoding: true} }
}

func stoppedIn(f stopFrame) func(*dump) { return func(d *dump) { d.stop = f } }
func tooMany(d *dump)                   { d.skipped = "31,204 goroutines, more than 20,000" }

// calledStop says that the handler of an RPC made the stop call.
func calledStop(rpc uint64) change { return func(tl *timeline) { tl.inside = rpc } }

var healthWatch = &watch.Method{Name: "grpc.health.v1.Health/Watch", Short: "Health/Watch"}

// ofHealth makes an RPC one of infrastructure.
func ofHealth(r *rpcLine) { r.method = healthWatch }

// TestEvidence: what is blamed, and as what, by what has been seen of it.
func TestEvidence(t *testing.T) {
	const (
		c1   = "connection from 10.0.0.1:40001: "
		call = "rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001: "
		hook = "user hook main.slow at main.go:7: "
		late = " that had not returned 3.0s after the call"
		hand = "handler greeter.v1.Greeter/SayHello from 10.0.0.1:40001: "
	)
	tls := func(c *connLine) { c.stage = watch.StageTLS }
	for _, tt := range []struct {
		name  string
		phase Phase
		tl    *timeline
		want  string
	}{
		{
			"a reader that does not read", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(notReadSince(-sec))),
			c1 + "reader blocked: nothing has been read from it for 10.0s",
		}, {
			"a quota that handlers of cancelled RPCs use up", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(notReadSince(-sec)),
				unary(-9*sec, never, cancelledAt(-2*sec)), unary(-9*sec, never, cancelledAt(-2*sec))),
			c1 + "reader blocked: nothing has been read from it for 10.0s: " +
				"2 handlers of cancelled RPCs still run, which use up its stream quota",
		}, {
			"a Write that is blocked although the GOAWAY has left", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), streams(1), blockedSince(sec)),
				unary(-sec, 2*sec)),
			c1 + "write blocked: a Write has been blocked for 8.0s",
		}, {
			"a Send that a frozen peer blocks", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(streams(1), blockedSince(-sec)),
				stream(-2*sec, never, inSend(9*sec))),
			"rpc greeter.v1.Greeter/Chat from 10.0.0.1:40001: in Send: no deadline, " +
				"handler blocked in Send for 9.0s, 2 messages in, 1 out, " +
				"its connection's Write blocked for 10.0s, its GOAWAY has not left",
		}, {
			"a connection that drains because of its age", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(goAwayAt(-sec), ackedAt(-sec))),
			c1 + "already draining: its GOAWAY left 1.0s before the stop (max age or max idle): it gets no new one",
		}, {
			"bytes unsent, and the stacks show no interceptor", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), streams(1)), unary(-sec, 2*sec), dumpAt3s()),
			c1 + "bytes unsent: 1 stream still open although the handlers have returned: " +
				"the client does not read the answer",
		}, {
			"a message that never comes, seen by its frames", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), halfOpen(1)), unary(-sec, never)),
			call + "message incomplete: no deadline, the client has not ended its message",
		}, {
			"the same with a stream beside it: it may be the stream's", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), halfOpen(2)),
				unary(-sec, never), stream(-ms, never)),
			call + "in handler: no deadline, handler running",
		}, {
			"a client that sends its message and not its end: the handler runs", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), halfOpen(1)), unary(-sec, never),
				dumpAt3s(inMain(1))),
			call + "in handler: no deadline, handler running at main.go:88",
		}, {
			"a message that came late, seen by its stack", PhaseConnWait,
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(9*sec)), unary(-sec, 9*sec),
				dumpAt3s(decoding(1))),
			call + "message incomplete: no deadline, the client has not sent all of its message",
		}, {
			"a message that never comes before any interceptor", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), halfOpen(1)), dumpAt3s()),
			c1 + "message incomplete: 1 stream open on which the client has not sent its message",
		}, {
			"the same without stacks: it may be an interceptor", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), halfOpen(1)), dumpAt3s(tooMany)),
			c1 + "streams open: 1 stream open that no handler is seen to have" + unseenStream,
		}, {
			"an interceptor outside of ours", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), halfOpen(1)),
				dumpAt3s(inHook(stateOuterInterceptor, 1))),
			hook + "outer interceptor: outer interceptor" + late,
		}, {
			"a tap handle keeps a reader", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(notReadSince(0)),
				dumpAt3s(inHook(stateTapHandle, 2))),
			hook + "tap handle: tap handle" + late + ", in 2 goroutines",
		}, {
			"a hook that an RPC explains is not blamed", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), streams(1)), unary(-sec, never),
				dumpAt3s(inHook(stateStatsHandler, 1))),
			call + "in handler: no deadline, handler running",
		}, {
			"ConnEnd: the sockets are closed, and grpc waits for connections", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(ms)),
				dumpAt3s(stoppedIn(stopInCond), inHook(stateStatsHandler, 1))),
			hook + "stats handler: stats handler" + late,
		}, {
			"a stats handler has a connection, and not the handshake", PhaseHandshakeWait,
			unfinishedAt(9*sec, oneListener, conn(), raw(), dumpAt3s(inHook(stateStatsHandler, 1))),
			"handshake from 10.0.0.2:40002: tcp: 0 bytes read",
		}, {
			"an interceptor outside of ours, and an RPC that has ended", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), streams(1)), unary(-sec, sec),
				dumpAt3s(inHook(stateOuterInterceptor, 1))),
			hook + "outer interceptor: outer interceptor" + late,
		}, {
			"the same, and at last it let go of the stream", PhaseConnWait,
			returnedAt(9*sec, oneListener, conn(told(0), streamsDone(9*sec), goneAt(9*sec)), unary(-sec, sec),
				dumpAt3s(inHook(stateOuterInterceptor, 1))),
			hook + "outer interceptor: outer interceptor" + late,
		}, {
			"the sockets are closed, and grpc has just been woken", PhaseHandlerWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(3*sec-ms)), unary(-sec, never),
				dumpAt3s(stoppedIn(stopInCond))),
			hand + "in handler: ignores its ctx, cancelled 6.0s ago",
		}, {
			"credentials that ask somebody", PhaseHandshakeWait,
			unfinishedAt(9*sec, oneListener, raw(tls), dumpAt3s(inHook(stateCredentials, 1))),
			"handshake from 10.0.0.1:40001: callback: inside main.slow at main.go:7, 0 bytes read",
		}, {
			"one of two handshakes is in user code, and nobody knows which", PhaseHandshakeWait,
			unfinishedAt(9*sec, oneListener, raw(tls), raw(tls), dumpAt3s(inHook(stateCredentials, 1))),
			"handshake from 10.0.0.1:40001: tls: inside the credentials' handshake, 0 bytes read",
		}, {
			"something else in the handshake wait", PhaseHandshakeWait,
			unfinishedAt(9*sec, oneListener, conn(),
				dumpAt3s(stoppedIn(stopInWait), inHook(stateCallback, 1))),
			hook + "callback: callback" + late,
		}, {
			"a listener that is not closed", PhaseForcedStop,
			unfinishedAt(9*sec, listener(never, never, never), forcedAt(8*sec), givenUp),
			"listener 10.0.0.100:50051: : Accept of *net.TCPListener goes on: it was not closed",
		}, {
			"another stop call", PhaseQuit,
			unfinishedAt(9*sec, listener(never, never, never), dumpAt3s(stoppedIn(stopInMutex))),
			"another stop call: blocked by the first: it has the server's lock",
		}, {
			"an RPC that stops its own server", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0)), unary(-2*sec, never), unary(-sec, never),
				calledStop(2), dumpAt3s(inMain(2))),
			call + "called from inside a handler: no deadline, " +
				"its handler made the stop call at main.go:88 and waits for itself",
		}, {
			"and has lost its connection", PhaseHandlerWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(sec)), unary(-2*sec, never),
				unary(-sec, never), calledStop(2)),
			hand + "called from inside a handler: its handler made the stop call and waits for itself",
		}, {
			"a handler was somewhere", PhaseHandlerWait,
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(sec)), unary(-sec, never),
				dumpAt3s(inMain(1))),
			hand + "in handler: ignores its ctx, cancelled 8.0s ago, last seen at main.go:88",
		}, {
			"an RPC of infrastructure, and one of the business", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0)), unary(-sec, never, ofHealth),
				conn(told(0)), unary(-sec, never)),
			"rpc greeter.v1.Greeter/SayHello from 10.0.0.2:40002: in handler: no deadline, handler running",
		}, {
			"an RPC of infrastructure that holds on for longer", PhaseConnWait,
			unfinishedAt(9*sec, oneListener, conn(told(0)), unary(-sec, never, ofHealth),
				conn(told(0), goneAt(8*sec)), unary(-sec, 8*sec)),
			"rpc grpc.health.v1.Health/Watch (infrastructure) from 10.0.0.1:40001: " +
				"in handler: no deadline, handler running",
		}, {
			"nobody is there for most of a phase", PhaseHandlerWait,
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(0)), unary(-sec, 4*sec)),
			"nobody",
		}, {
			"for half of it somebody was", PhaseHandlerWait,
			returnedAt(8*sec, oneListener, conn(told(0), goneAt(0)), unary(-sec, 4*sec)),
			hand + "in handler: returned 4.0s after its ctx was cancelled",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := blamed(tt.tl, tt.phase); got != tt.want {
				t.Errorf("blamed:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestVerdictNeverGuesses: where evidence is missing it says so.
func TestVerdictNeverGuesses(t *testing.T) {
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"too many goroutines for a stack",
			unfinishedAt(9*sec, oneListener, conn(told(0)), unary(-sec, never), dumpAt3s(tooMany)),
			"conn wait for 9.0s so far: rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001, open 10.0s, " +
				"no deadline, handler running (no stacks: 31,204 goroutines, more than 20,000)",
		}, {
			"too many goroutines, and nobody else to blame",
			unfinishedAt(9*sec, oneListener, conn(told(0), goneAt(0)), dumpAt3s(tooMany)),
			"handler wait for 9.0s so far: what holds it is not seen (no stacks: 31,204 goroutines, more than 20,000)",
		}, {
			"TLS that is not wrapped",
			unfinishedAt(9*sec, oneListener, conn(unseen), dumpAt3s()),
			"conn wait for 9.0s so far: connection from 10.0.0.1:40001, open 1m09s, its frames were not seen " +
				"(the frames of 1 connection were not seen: wrap the server's credentials)",
		}, {
			"a peer that a middleware has replaced",
			unfinishedAt(9*sec, oneListener, unary(-sec, never), conn(told(0), streams(1))),
			"conn wait for 9.0s so far: rpc greeter.v1.Greeter/SayHello on an unknown connection, " +
				"open 10.0s, no deadline, handler running",
		}, {
			"a process that did not get the CPU",
			returnedAt(9*sec, oneListener, conn(told(0), goneAt(0)), unary(-sec, sec)),
			"handler wait took 9.0s of 9.0s: what held it was not seen, " +
				"handler greeter.v1.Greeter/SayHello from 10.0.0.1:40001, the last that was, " +
				"let go 8.0s before its end: a starved CPU, or code outside of the handlers",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.tl.verdict(tt.tl.views()); got != tt.want {
				t.Errorf("verdict:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestVerdictOfClientsNotTold: a stop that nothing held is no plain success if
// clients were still coming.
func TestVerdictOfClientsNotTold(t *testing.T) {
	young := func(c *connLine) { c.accepted = -80 * ms }
	old := func(tl *timeline) { tl.clients.since = -time.Hour }
	const was = "clients were still connecting (last one 80ms before the listener closed): " +
		"lame duck or preStop >= 5 s"
	for _, tt := range []struct {
		name string
		tl   *timeline
		want string
	}{
		{
			"nothing held it",
			returnedAt(100*us, oneListener, old, conn(young, told(0), goneAt(100*us))),
			"graceful in 100µs, but " + was,
		}, {
			"something did",
			returnedAt(sec, oneListener, old, conn(young, told(0), goneAt(sec))),
			"conn wait took 1.0s of 1.0s: connection from 10.0.0.1:40001, " +
				"the peer did not close for 1.0s; " + was,
		}, {
			"the last one came long before",
			returnedAt(100*us, oneListener, old, conn(told(0), goneAt(100*us))),
			"graceful in 100µs, nothing held it",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.tl.verdict(tt.tl.views()); got != tt.want {
				t.Errorf("verdict:\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestOtherStopCalls: the notes say what became of them.
func TestOtherStopCalls(t *testing.T) {
	tl := returnedAt(9*sec, oneListener, func(tl *timeline) {
		tl.stops = []stopLine{
			{call: "GracefulStop", at: sec, returned: never},
			{call: "Shutdown", at: 2 * sec, returned: never, inside: 1},
			{call: "Stop", at: 3 * sec, returned: 4 * sec},
			{call: "Stop", at: 5 * sec, returned: 5 * sec},
		}
	})
	var got []string
	for _, n := range tl.notes(tl.views()) {
		got = append(got, n.Kind+": "+n.Text)
	}
	want := []string{
		"stop call: another GracefulStop came 1.0s after the call and waited for the first (joined)",
		"stop call: another Shutdown came 2.0s after the call and waits for the first from inside a handler",
		"stop call: another Stop came 3.0s after the call and forced the first",
		"stop call: 1 more stop call came after the call",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
