// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

var seed = flag.Uint64("seed", 0, "of TestKillTime's mixes; 0: another one each time")

// The grace period of the mixes, and what Shutdown may take of it at most.
const (
	killGrace = 2 * time.Second
	killTime  = killGrace + 200*time.Millisecond
	// late is how often in a row a machine that is overloaded may be late: for
	// each of the timers between the deadline and the return.
	late = 4
)

// mix is a server with code of an application's that hangs, and its clients.
type mix struct {
	hazards []*hazard
	peers   []*peerKind
	early   bool // the doors are shut before the clients come
	stopped bool // somebody stops grpc's server before Shutdown
}

func (m *mix) String() string {
	var names []string
	for _, h := range m.hazards {
		names = append(names, h.name)
	}
	for _, p := range m.peers {
		names = append(names, p.name)
	}
	return fmt.Sprintf("%s; hung early %t, stopped %t", strings.Join(names, ", "), m.early, m.stopped)
}

// kill serves the clients of a mix and stops: it returns what Shutdown took. wait
// lets the clients do what they do.
func (m *mix) kill(t *testing.T, lis net.Listener, dial servertest.DialFunc, wait func()) time.Duration {
	var d doors
	var opts []grpc.ServerOption
	log := slog.DiscardHandler
	for _, h := range m.hazards {
		if h.log != nil {
			log = h.log(&d)
		}
	}
	tr := newTracer(t, tracer.WithLogger(slog.New(log)))
	for _, h := range m.hazards {
		if h.opts != nil {
			opts = append(opts, h.opts(&d, tr)...)
		}
		if h.listen != nil {
			lis = h.listen(&d, lis)
		}
	}
	s := server.New(tr, append(opts, server.GracePeriod(killGrace))...)
	service := &stubborn{srv: s, end: make(chan struct{})}
	greeterv1.RegisterGreeterServer(s, service)
	var background sync.WaitGroup
	background.Go(func() { _ = s.Serve(lis) }) // a stop may be before it
	if m.early {
		wait()
		d.shut()
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &crowd{ctx: ctx, dial: dial}
	for _, p := range m.peers {
		c.join(p)
	}
	wait()
	if !m.early {
		d.shut()
	}
	if m.stopped {
		background.Go(s.Unwrap().GracefulStop)
		wait()
	}
	begin := time.Now()
	err := s.Shutdown(context.Background())
	took := time.Since(begin)
	var forced *server.DeadlineError
	switch {
	case errors.As(err, &forced) && forced.Report == nil:
		t.Errorf("%s: Shutdown: no report", m)
	case err != nil && forced == nil && !errors.Is(err, context.DeadlineExceeded): // it joined
		t.Errorf("%s: Shutdown: %v, want a *DeadlineError", m, err)
	}
	if hangs := log != slog.DiscardHandler; err == nil && took >= killGrace && !hangs {
		t.Errorf("%s: Shutdown took all of its time and says nothing", m) // of the server
	}
	d.open()
	close(service.end)
	cancel()
	c.leave()
	background.Wait()
	return took
}

// mixture draws a mix from what is allowed.
func mixture(r *rand.Rand, hazards []*hazard, peers []*peerKind) *mix {
	m := &mix{early: r.IntN(2) == 0, stopped: r.IntN(5) == 0}
	for _, i := range r.Perm(len(hazards))[:r.IntN(3)] {
		m.hazards = append(m.hazards, hazards[i])
	}
	for range r.IntN(7) {
		m.peers = append(m.peers, peers[r.IntN(len(peers))])
	}
	return m
}

func pointers[T any](list []T, keep func(*T) bool) (all []*T) {
	for i := range list {
		if keep(&list[i]) {
			all = append(all, &list[i])
		}
	}
	return all
}

// lockedByHandlers says that GracefulStop keeps the server's lock while handlers
// run (grpc-go up to 1.84): a forced Stop waits for that, which stops a bubble's
// clock.
func lockedByHandlers() bool {
	minor := 0
	_, err := fmt.Sscanf(grpc.Version, "1.%d.", &minor)
	return err == nil && minor < 85
}

// TestKillTime: whatever clients, handlers and code of the application's do, and
// however they come together, Shutdown returns within its grace period: 200 mixes
// with time that does not pass, 20 with sockets whose buffers are full.
func TestKillTime(t *testing.T) {
	from := *seed
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("go test -run TestKillTime -seed %d", from)
	t.Run("bubbles", func(t *testing.T) { testKillTimeInBubbles(t, from) })
	t.Run("TCP", func(t *testing.T) { testKillTimeOverTCP(t, from) })
}

func testKillTimeInBubbles(t *testing.T, from uint64) {
	inBubble := func(locks, orphans bool) bool { return !locks && (!orphans || !lockedByHandlers()) }
	hazards := pointers(hazards, func(h *hazard) bool { return inBubble(h.locks, h.orphans) })
	peers := pointers(peerKinds, func(p *peerKind) bool { return !p.tcp && inBubble(false, p.orphans) })
	for i := range 200 {
		m := mixture(rand.New(rand.NewPCG(from, uint64(i))), hazards, peers)
		synctest.Test(t, func(t *testing.T) {
			lis := servertest.Listen()
			if took := m.kill(t, lis, lis.Dial, synctest.Wait); took > killTime {
				t.Errorf("mix %d: %s: Shutdown took %s", i, m, took)
			}
			<-time.After(time.Hour) // what hung ends by itself
		})
	}
}

func testKillTimeOverTCP(t *testing.T, from uint64) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	all, frozen := pointers(peerKinds, isAny), pointers(peerKinds, func(p *peerKind) bool { return p.tcp })
	var mixes []*mix
	for i := range 20 {
		r := rand.New(rand.NewPCG(from, uint64(1000+i)))
		m := mixture(r, pointers(hazards, isAny), all)
		m.peers = append(m.peers, frozen...)
		mixes = append(mixes, m)
	}
	killAll(t, mixes)
}

func isAny[T any](*T) bool { return true }

// killAll kills all at the same time, over TCP.
func killAll(t *testing.T, mixes []*mix) {
	t.Helper()
	var all sync.WaitGroup
	took := make([]time.Duration, len(mixes))
	ctx, cancel := context.WithCancel(context.Background())
	measured := servertest.Lateness(ctx)
	for i, m := range mixes {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			took[i] = m.kill(t, lis, servertest.DialTCP(lis.Addr().String()), func() {
				<-time.After(300 * time.Millisecond) // until buffers are full
			})
		})
	}
	all.Wait()
	cancel()
	limit := killTime + late*<-measured
	for i, m := range mixes {
		if took[i] > limit {
			t.Errorf("%s: Shutdown took %s, want %s at most", m, took[i], limit)
		}
	}
}

// TestDeadlineEverywhere: each place in which an application's code can hang, and
// each client that holds a phase, alone.
func TestDeadlineEverywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var mixes []*mix
	few := pointers(peerKinds, func(p *peerKind) bool {
		return slices.Contains([]string{"healthy", "watch", "short"}, p.name)
	})
	for _, h := range pointers(hazards, isAny) {
		for _, early := range []bool{false, true} {
			mixes = append(mixes, &mix{hazards: []*hazard{h}, peers: few, early: early})
		}
	}
	for _, p := range pointers(peerKinds, isAny) {
		for _, stopped := range []bool{false, true} {
			mixes = append(mixes, &mix{peers: []*peerKind{p}, stopped: stopped})
		}
	}
	for some := range slices.Chunk(mixes, 20) { // as many as two processors bear
		killAll(t, some)
	}
}
