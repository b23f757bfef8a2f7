// SPDX-License-Identifier: Apache-2.0

// Package scenario has the clients of the demo and of load: each holds up a
// server's stop in one way.
package scenario

import (
	"context"
	"crypto/tls"
	"time"
)

// Short is the name of the scenario that is nothing but short calls.
const Short = "short"

// How long the calls take. The silent client and the mute one hold for as long
// as grpc-go lets them.
const (
	shortCall = 300 * time.Millisecond
	longCall  = 5 * time.Second
)

// Target is the server that the clients connect to.
type Target struct {
	Addr string
	TLS  *tls.Config // nil: plain text
	// Orphan is how long the handler runs whose client has vanished.
	Orphan time.Duration
	// Begun gets a value when the handler of a unary RPC is called; nil in a
	// process that cannot see it.
	Begun <-chan struct{}
}

// Client is one that has reached the state it is there for.
type Client interface {
	// LocalAddr is the address that the server knows it by.
	LocalAddr() string
	// Done is closed when its call or its connection has ended.
	Done() <-chan struct{}
	// Close ends it and waits for its goroutines.
	Close()
}

// Scenario is one way to hold up a stop.
type Scenario struct {
	Name  string
	Does  string // what the client does
	Shows string // where the time goes
	start func(context.Context, *Target) (Client, error)
}

// Start starts the client and returns when it is in its state. ctx bounds that
// and not what comes after.
func (s Scenario) Start(ctx context.Context, t *Target) (Client, error) { return s.start(ctx, t) }

var all = []Scenario{
	{
		Short, "calls SayHello, which takes 300ms",
		"nothing wrong: the stop waits for one short call", shortUnary,
	},
	{
		"unary", "calls SayHello, which takes 5s",
		"conn wait: a unary RPC is slow", longUnary,
	},
	{
		"recv", "opens a Chat and falls silent",
		"conn wait: a handler sits in Recv, for as long as the client stays", chat,
	},
	{
		"send", "opens a Watch and stops reading it",
		"conn wait: a handler is stuck in Send, the flow-control window is used up", slowReader,
	},
	{
		"orphan", "calls SayHello and vanishes",
		"handler wait: the handler runs on without a client, it ignores its context", vanisher,
	},
	{
		"silent", "connects and never says a word",
		"handshake wait: until its timeout no client is even told that the server stops", silent,
	},
	{
		"mute", "never acknowledges a PING",
		"conn wait: 5s until grpc-go goes on without the answer, and 1s of linger", mute,
	},
}

// All are all scenarios.
func All() []Scenario { return all }

// Find finds a scenario by its name.
func Find(name string) (Scenario, bool) {
	for _, s := range all {
		if s.Name == name {
			return s, true
		}
	}
	return Scenario{}, false
}

// Names are the names of scenarios.
func Names(of []Scenario) []string {
	names := make([]string, len(of))
	for i, s := range of {
		names[i] = s.Name
	}
	return names
}
