// SPDX-License-Identifier: Apache-2.0

package accuracy

import (
	"context"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
)

const (
	handshakes = 100 * time.Millisecond // the server's ConnectionTimeout, if some are to end by it
	moment     = 5 * time.Millisecond   // between the GOAWAYs and what comes of them
)

// kind is one way in which a server is stopped.
type kind struct {
	name      string
	tls       bool
	listeners int // one, if it is not set
	most      int // connections
	streams   int // on each of them
	deaf      bool
	hard      bool // Stop, not GracefulStop
	peers     []connect
	policy    func() servertest.Policy
	// then is what happens when every client has been told to go; nil: nothing.
	then func(*scene)
	// rare says that of a thousand shutdowns so many are of this kind: it takes
	// long. Else it is as frequent as the others.
	rare int
}

// connect makes a client that does not get as far as HTTP/2.
type connect func(context.Context, servertest.DialFunc) (servertest.Peer, error)

func silent(ctx context.Context, d servertest.DialFunc) (servertest.Peer, error) {
	return servertest.Silent(ctx, d)
}

func halfTLS(ctx context.Context, d servertest.DialFunc) (servertest.Peer, error) {
	return servertest.HalfTLS(ctx, d)
}

func halfPreface(ctx context.Context, d servertest.DialFunc) (servertest.Peer, error) {
	return servertest.HalfPreface(ctx, d)
}

// lingering is a client that never closes, muted one that does not answer either.
func lingering() servertest.Policy {
	p := servertest.Obedient()
	p.CloseAfterGoAway = false
	return p
}

func muted() servertest.Policy {
	p := servertest.Obedient()
	p.AckPings = false
	return p
}

func release(s *scene) {
	<-time.After(moment)
	close(s.held.release)
}

func leave(s *scene) {
	<-time.After(moment)
	for _, c := range s.clients {
		_ = c.Close()
	}
}

func vanish(s *scene) {
	<-time.After(moment)
	for _, c := range s.clients {
		_ = c.Abort()
	}
}

// kinds are all of them.
var kinds = []kind{
	{name: "no connection"},
	{name: "idle", most: maxConns},
	{name: "idle, TLS", most: maxConns, tls: true},
	{name: "idle, three listeners", most: maxConns, listeners: 3},
	{name: "RPCs that end", most: maxConns, streams: 2, then: release},
	{name: "RPCs that end, TLS", most: maxConns, streams: 2, tls: true, then: release},
	{name: "RPCs whose client leaves", most: maxConns, streams: 1, then: leave},
	{name: "RPCs whose client resets", most: maxConns, streams: 1, tls: true, then: vanish},
	{name: "orphan handlers", most: maxConns, streams: 1, deaf: true, then: func(s *scene) {
		vanish(s)
		release(s)
	}},
	{name: "silent client", most: 20, peers: []connect{silent}},
	{name: "half TLS", most: 20, tls: true, peers: []connect{halfTLS, silent}},
	{name: "half a preface", most: 20, listeners: 2, peers: []connect{halfPreface, silent, halfTLS}},
	{name: "forced stop", most: maxConns, streams: 1, then: func(s *scene) {
		<-time.After(moment)
		s.srv.Stop()
	}},
	{name: "Stop", most: maxConns, streams: 1, hard: true},
	{name: "Stop, silent client", most: 20, peers: []connect{silent}, hard: true},
	{name: "linger", most: 20, policy: lingering, rare: 40},
	{name: "mute", most: 5, policy: muted, rare: 4},
}

// schedule returns n shutdowns, the kinds taking turns.
func schedule(n int) []kind {
	var list, frequent []kind
	for _, k := range kinds {
		if k.policy == nil {
			k.policy = servertest.Obedient
		}
		if k.rare == 0 {
			frequent = append(frequent, k)
			continue
		}
		for range k.rare * n / 1000 {
			list = append(list, k)
		}
	}
	for i := range n - len(list) {
		list = append(list, frequent[i%len(frequent)])
	}
	return list
}
