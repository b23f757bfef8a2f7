// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// stage is who holds a stop, from when the one before has let go.
type stage struct {
	until  time.Duration // after the signal; 0: for ever
	kind   tracer.HolderKind
	state  string
	method string
	peer   int // which of the clients it is
}

// holding is one way to hold up a stop, and by whom it is held when. Of several stages
// without an end each is right.
type holding struct {
	name    string
	program string   // another one than serve: its variable
	args    []string // of serve
	join    func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error)
	stages  []stage
}

// shortCall is an RPC that has ended, and whose client lingers, at the checkpoint at 3 s.
const shortCall = 2500 * time.Millisecond

// handshakeShare is when the handshakes of a stop with 25 s are closed.
const handshakeShare = 5 * time.Second

var holdings = []holding{
	{
		name: "silent", join: oneOf(servertest.Silent),
		stages: []stage{{until: handshakeShare, kind: tracer.HolderHandshake, state: "tcp"}},
	}, {
		name: "half TLS", args: []string{"--tls"}, join: oneOf(servertest.HalfTLS),
		stages: []stage{{until: handshakeShare, kind: tracer.HolderHandshake, state: "tls"}},
	}, {
		name: "no preface", args: []string{"--tls"},
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			return one(servertest.NoPreface(ctx, servertest.DialTCP(t.Addr), t.TLS))
		},
		stages: []stage{{until: handshakeShare, kind: tracer.HolderHandshake, state: "preface"}},
	}, {
		name: "Recv", join: calling(chatCall, true),
		stages: []stage{{kind: tracer.HolderRPC, state: "in Recv", method: methodChat}},
	}, {
		name: "handler", join: calling(helloCall(time.Hour), false),
		stages: []stage{{kind: tracer.HolderRPC, state: "in handler", method: methodHello}},
	}, {
		name: "Send",
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			return one(servertest.SlowReader(ctx, dialOf(t), floodCall, 0))
		},
		stages: []stage{{kind: tracer.HolderRPC, state: "in Send", method: methodWatch}},
	}, {
		name: "frozen",
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			return one(servertest.Frozen(ctx, dialOf(t), floodCall))
		},
		stages: []stage{
			{kind: tracer.HolderRPC, state: "in Send", method: methodWatch},
			{kind: tracer.HolderRPC, state: "in handler", method: methodWatch}, // buffers are not full yet
		},
	}, {
		name: "no message",
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			return one(servertest.NoMessage(ctx, dialOf(t), helloCall(0)))
		},
		stages: incomplete(),
	}, {
		name: "mute",
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			return one(servertest.Mute(ctx, dialOf(t)))
		},
		stages: []stage{
			{until: 5 * time.Second, kind: tracer.HolderConnection, state: "ping unacknowledged"},
			{until: 6 * time.Second, kind: tracer.HolderConnection, state: "linger"},
		},
	}, {
		name: "linger", // after an RPC
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			return one(servertest.Linger(ctx, dialOf(t), helloCall(shortCall)))
		},
		stages: []stage{
			{until: shortCall, kind: tracer.HolderRPC, state: "in handler", method: methodHello},
			{until: shortCall + time.Second, kind: tracer.HolderConnection, state: "linger"},
		},
	}, {
		name: "orphan", join: orphan,
		stages: []stage{{kind: tracer.HolderHandler, state: "in handler", method: methodHello}},
	}, {
		name: "health Watch", program: envWatched,
		join:   calling(servertest.Call{Method: healthv1.Health_Watch_FullMethodName}, true),
		stages: []stage{{kind: tracer.HolderRPC, state: "in handler", method: "grpc.health.v1.Health/Watch"}},
	}, {
		name: "silent, then Recv", // which cannot be told to go before
		join: func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
			silent, err := oneOf(servertest.Silent)(ctx, t)
			if err != nil {
				return nil, err
			}
			chat, err := calling(chatCall, true)(ctx, t)
			return append(silent, chat...), err
		},
		stages: []stage{
			{until: handshakeShare, kind: tracer.HolderHandshake, state: "tcp"},
			{kind: tracer.HolderRPC, state: "in Recv", method: methodChat, peer: 1},
		},
	},
}

var (
	chatCall  = callWith(greeterv1.Greeter_Chat_FullMethodName, &greeterv1.ChatRequest{Text: "hello"})
	floodCall = callWith(greeterv1.Greeter_Watch_FullMethodName, &greeterv1.WatchRequest{
		Name: strings.Repeat("a", 100), Interval: durationpb.New(time.Millisecond), PayloadBytes: 32 << 10,
	})
)

func helloCall(d time.Duration) servertest.Call {
	return callWith(greeterv1.Greeter_SayHello_FullMethodName,
		&greeterv1.SayHelloRequest{Duration: durationpb.New(d), IgnoreCancel: true})
}

func callWith(method string, m proto.Message) servertest.Call {
	msg, err := proto.Marshal(m)
	if err != nil {
		panic(err) // a message of ours
	}
	open := method == greeterv1.Greeter_Chat_FullMethodName
	return servertest.Call{Method: method, Message: msg, KeepOpen: open}
}

func dialOf(t *scenario.Target) servertest.DialFunc {
	dial := servertest.DialTCP(t.Addr)
	if t.TLS != nil {
		dial = servertest.DialTLS(dial, t.TLS)
	}
	return dial
}

// one waits until a client is in its state.
func one[P servertest.Peer](p P, err error) ([]servertest.Peer, error) {
	if err != nil {
		return nil, err
	}
	select {
	case <-p.Ready():
		return []servertest.Peer{p}, nil
	case <-p.Done():
		return nil, errors.Join(errors.New("the server closed the connection"), p.Close())
	case <-time.After(limit):
		return nil, errors.Join(errors.New("it is not ready"), p.Close())
	}
}

// oneOf is a client that does not get as far as HTTP/2. Nothing tells it that it was
// accepted, but the one who knocks after it was.
func oneOf(connect func(context.Context, servertest.DialFunc) (*servertest.Socket, error),
) func(context.Context, *scenario.Target) ([]servertest.Peer, error) {
	return func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
		p, err := one(connect(ctx, servertest.DialTCP(t.Addr)))
		if err != nil {
			return nil, err
		}
		return p, t.Knock(ctx)
	}
}

// calling is a client with an RPC whose handler runs, and has answered if answers.
func calling(call servertest.Call, answers bool,
) func(context.Context, *scenario.Target) ([]servertest.Peer, error) {
	return func(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
		c, err := servertest.Connect(ctx, dialOf(t), servertest.Obedient())
		if err != nil {
			return nil, err
		}
		s, err := c.Open(call)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		ready := s.Responded()
		if !answers {
			if ready, err = c.Sync(); err != nil {
				return nil, errors.Join(err, c.Close())
			}
		}
		return one(waited{c, ready}, nil)
	}
}

// waited is a client that is ready when something has happened.
type waited struct {
	*servertest.Client
	ready <-chan struct{}
}

func (w waited) Ready() <-chan struct{} { return w.ready }

// orphan is a handler that ignores that its client has gone.
func orphan(ctx context.Context, t *scenario.Target) ([]servertest.Peer, error) {
	started := make(chan struct{})
	c, err := servertest.Vanisher(ctx, dialOf(t), helloCall(time.Hour), started)
	if err != nil {
		return nil, err
	}
	taken, err := c.Sync()
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if _, err := one(waited{c, taken}, nil); err != nil {
		return nil, err
	}
	close(started)
	<-c.Ready() // it has gone
	return []servertest.Peer{c}, nil
}

// target is where a server listens that was started with args.
func (h *holding) target(addr string) *scenario.Target {
	t := &scenario.Target{Addr: addr}
	if len(h.args) > 0 { // --tls, with a certificate that nobody knows
		t.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // a test's
	}
	return t
}

// around are those who may hold at a moment after the signal, which a busy machine
// makes uncertain by slack.
func (h *holding) around(at, slack time.Duration) (all []stage) {
	from := time.Duration(0)
	for _, s := range h.stages {
		if at+slack >= from && (s.until == 0 || at-slack <= s.until) {
			all = append(all, s)
		}
		from = s.until
	}
	return all
}

// changed is when another phase begins that lasts; 0: never.
func (h *holding) changed() time.Duration {
	if len(h.stages) > 1 && h.stages[0].kind == tracer.HolderHandshake {
		return h.stages[0].until
	}
	return 0
}

func (s stage) String() string { return fmt.Sprintf("%s %s %s", s.kind, s.method, s.state) }

// incomplete is what is seen of a message that does not come. Up to grpc-go 1.83 no
// handler is seen before it has, and no stack before the dump at 3 s.
func incomplete() []stage {
	stages := []stage{{kind: tracer.HolderRPC, state: "message incomplete", method: methodHello}}
	var minor int
	if _, err := fmt.Sscanf(grpc.Version, "1.%d.", &minor); err == nil && minor < 84 {
		return append(stages, stage{kind: tracer.HolderConnection, state: "message incomplete"},
			stage{kind: tracer.HolderConnection, state: "streams open"})
	}
	return stages
}
