// SPDX-License-Identifier: Apache-2.0

package browser

import (
	"fmt"
	"strings"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

const (
	ms  = tracer.Duration(time.Millisecond)
	sec = tracer.Duration(time.Second)
)

const stackOfWatch = `goroutine 71 [select, 192 minutes]:
main.(*feed).next(0xc0001b2000, {0xb6f2a8, 0xc0000a4050})
	feed.go:61 +0x1c5
main.(*greeter).Watch(0xc00007c0e0, 0xc0001e2000, {0xb70d18, 0xc0001ce0f0})
	greeter.go:88 +0x14d
greeter/v1._Greeter_Watch_Handler({0x9d3aa0, 0xc00007c0e0}, {0xb6fe60, 0xc0001d4000})
	greeter_grpc.pb.go:214 +0xd0
google.golang.org/grpc.(*Server).processStreamingRPC(0xc00017a000, {0xb6ed00, 0xc0001a6210})
	server.go:1722 +0x1267
`

// sample has something of everything: it is the one in the documentation.
func sample() *tracer.Report {
	before := 412 * ms
	return &tracer.Report{
		Version: 1, Service: "greeter", TraceID: "0af7651916cd43dd8448eb211c80319c",
		JaegerURL: "http://localhost:16686/trace/0af7651916cd43dd8448eb211c80319c?uiFind=b7ad6b7169203331",
		Call:      "GracefulStop", Start: time.Date(2026, 11, 22, 1, 45, 4, 403e6, time.UTC),
		Duration: 25040 * ms, Outcome: tracer.OutcomeForced, GRPC: "1.84.0",
		Verdict: "conn wait took 21.9s of 25.0s: rpc greeter.v1.Greeter/Watch from 10.0.0.8:6001, open 3h12m, " +
			"no deadline, handler blocked in Recv at feed.go:61; the forced stop released it, " +
			"cutting 1 RPC (greeter.v1.Greeter/Watch)",
		RPCsCut: map[string]int{"greeter.v1.Greeter/Watch": 1},
		Clients: tracer.Clients{LastAccept: &before, Refused: 17, LateConnections: 3, Unserved: 3},
		Notes: []tracer.Note{
			{Kind: "remedy", Text: "end streams at server.Draining(), or set MaxConnectionAge with a grace"},
			{
				Kind: "known bug", Text: "before grpc-go 1.85 Stop waits for ever while handlers run",
				Ref: "https://github.com/grpc/grpc-go/issues/9393",
			},
		},
		Phases: samplePhases(),
		Checkpoints: []tracer.Checkpoint{
			{
				Offset: sec, Phase: tracer.PhaseHandshakeWait, Left: left(1, 3, 2, 0),
				Verdict: "handshake wait for 1.0s so far: handshake from 10.0.0.9:41122 has not finished, 0 bytes read",
			},
			{
				Offset: 6 * sec, Phase: tracer.PhaseConnWait, Left: left(0, 2, 1, 0),
				Verdict: "conn wait for 3.0s so far: rpc greeter.v1.Greeter/Watch from 10.0.0.8:6001, open 3h11m, no deadline",
			},
			{
				Offset: 16 * sec, Phase: tracer.PhaseConnWait, Left: left(0, 1, 1, 0),
				Verdict: "conn wait for 13.0s so far: rpc greeter.v1.Greeter/Watch from 10.0.0.8:6001, open 3h11m, no deadline",
			},
		},
		Stacks: []tracer.Stack{{
			Offset: 3 * sec, Method: "greeter.v1.Greeter/Watch", Function: "main.(*feed).next", Source: "feed.go:61",
			Handlers: 1, Text: stackOfWatch,
		}},
		Spans: tracer.SpanCount{Sent: 41},
	}
}

// after is a time since the call, in milliseconds.
func after(n int) tracer.Duration { return tracer.Duration(n) * ms }

func samplePhases() []tracer.PhaseReport {
	all := left(1, 3, 2, 0)
	return []tracer.PhaseReport{
		{Name: tracer.PhaseQuit, Duration: ms / 80, LeftAtStart: all, LeftAtEnd: all},
		{
			Name: tracer.PhaseListenerClose, Offset: ms / 50, Duration: ms / 12,
			LeftAtStart: all, LeftAtEnd: all,
		},
		{
			Name: tracer.PhaseHandshakeWait, Offset: ms / 9, Duration: after(3000),
			LeftAtStart: all, LeftAtEnd: left(0, 3, 2, 0),
			ReleasedBy: "handshake from 10.0.0.9:41122", Gap: ms / 20,
			Culprit: &tracer.Holder{
				Kind: tracer.HolderHandshake, Peer: "10.0.0.9:41122", Detail: "0 bytes read",
			},
			Bars: []tracer.Bar{{
				Name: "handshake", Offset: ms / 9, Duration: after(3000), Kind: tracer.HolderHandshake,
				Note: "peer 10.0.0.9:41122, 0 bytes read", State: "tcp", Culprit: true,
			}},
		},
		{
			Name: tracer.PhaseGoAway, Offset: after(3001), Duration: ms / 3,
			LeftAtStart: left(0, 3, 2, 0), LeftAtEnd: left(0, 3, 2, 0),
		},
		{
			Name: tracer.PhaseConnWait, Offset: after(3002), Duration: after(21998),
			LeftAtStart: left(0, 3, 2, 0), LeftAtEnd: left(0, 1, 1, 0),
			ReleasedBy: "connection from 10.0.0.8:6001",
			Culprit: &tracer.Holder{
				Kind: tracer.HolderRPC, State: "in Recv", Method: "greeter.v1.Greeter/Watch",
				Peer: "10.0.0.8:6001", Detail: "no deadline, handler blocked in Recv",
				Source: "feed.go:61",
			},
			Bars: sampleConns(),
		},
		{
			Name: tracer.PhaseForcedStop, Offset: after(25000), Duration: after(2),
			LeftAtStart: left(0, 1, 1, 0), LeftAtEnd: left(0, 0, 0, 1),
			ReleasedBy: "connection from 10.0.0.8:6001",
		},
		{
			Name: tracer.PhaseHandlerWait, Offset: after(25002), Duration: after(38),
			LeftAtStart: left(0, 0, 0, 1), ReleasedBy: "handler greeter.v1.Greeter/Watch",
			Bars: []tracer.Bar{{
				Name: "handler Greeter/Watch", Offset: after(25002), Duration: after(38),
				Kind: tracer.HolderHandler, State: "in handler",
				Note: "returned 40ms after its ctx was cancelled",
			}},
		},
	}
}

func sampleConns() []tracer.Bar {
	at := after(3002)
	conn := func(took int, peer string, parts ...tracer.Bar) tracer.Bar {
		return tracer.Bar{
			Name: "connection", Offset: at, Duration: after(took), Note: "peer " + peer,
			Kind: tracer.HolderConnection, Bars: parts,
		}
	}
	mute := conn(6000, "10.0.0.7:5123",
		tracer.Bar{Name: "GOAWAY ack", Offset: at, Duration: after(5000), Note: "PING not acknowledged"},
		tracer.Bar{Name: "linger", Offset: after(8002), Duration: sec, Note: "the peer did not close"})
	mute.State = "ping unacknowledged"
	unary := conn(2510, "10.0.0.6:4040, user-agent grpc-go/1.85.0",
		tracer.Bar{Name: "GOAWAY ack", Offset: at, Duration: ms},
		tracer.Bar{
			Name: "rpc Greeter/SayHello", Offset: at, Duration: after(2500), Kind: tracer.HolderRPC,
			State: "in handler", Note: "deadline in 4.1s, handler running",
		})
	watch := conn(21998, "10.0.0.8:6001, user-agent grpc-java/1.70",
		tracer.Bar{Name: "GOAWAY ack", Offset: at, Duration: 11 * ms / 10},
		tracer.Bar{
			Name: "rpc Greeter/Watch", Offset: at, Duration: after(21998), Kind: tracer.HolderRPC,
			State: "in Recv", Culprit: true, Stack: 1,
			Note: "no deadline, handler blocked in Recv, 41 messages in, 40 out, at feed.go:61",
		})
	watch.Culprit = true
	return []tracer.Bar{mute, unary, watch}
}

func left(handshakes, conns, rpcs, handlers int) tracer.Left {
	return tracer.Left{Handshakes: handshakes, Connections: conns, RPCs: rpcs, Handlers: handlers}
}

// crowd is a stop with 10,000 connections and as many RPCs: in each phase the
// 50 that held longest and one row for the others.
func crowd() *tracer.Report {
	r := &tracer.Report{
		Service: "crowded", Duration: 25 * sec, Outcome: tracer.OutcomeRunning,
		Verdict: "conn wait for 20.0s so far: " + strings.Repeat("one of very many, ", 20),
	}
	for i, name := range []tracer.Phase{
		tracer.PhaseHandshakeWait, tracer.PhaseGoAway, tracer.PhaseConnWait,
		tracer.PhaseForcedStop, tracer.PhaseHandlerWait,
	} {
		at := after(5000 * i)
		p := tracer.PhaseReport{
			Name: name, Offset: at, Duration: 5 * sec, LeftAtStart: left(0, 10_000, 10_000, 0),
		}
		for j := range 50 {
			blamed := name == tracer.PhaseConnWait && j == 30
			p.Bars = append(p.Bars, tracer.Bar{
				Name: "connection", Offset: at, Duration: after(100 * j), Culprit: blamed,
				Kind: tracer.HolderConnection,
				Note: fmt.Sprintf("peer 10.0.0.%d:4711, user-agent grpc-go/1.85.0", j),
				Bars: []tracer.Bar{
					{Name: "GOAWAY ack", Offset: at, Duration: ms},
					{
						Name: "rpc Greeter/Watch", Offset: at, Duration: after(100 * j), Culprit: blamed,
						Kind: tracer.HolderRPC, State: "in Recv", Note: "no deadline",
					},
					{Name: "linger", Offset: at, Duration: ms},
				},
			})
		}
		p.Bars = append(p.Bars, tracer.Bar{
			Name: "9950 more", Offset: at, Duration: 3 * sec, More: 9950,
		})
		r.Phases = append(r.Phases, p)
	}
	return r
}
