// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// randomGroup is a group that hardly anybody would write.
type randomGroup struct {
	t       *testing.T
	rnd     *rand.Rand
	tr      *tracer.Tracer
	g       *server.Group
	names   []string
	clients []func() // call what has been started
	closes  atomic.Int64
	closers int64
	release chan struct{} // lets those go that listen to nobody
}

var durations = []time.Duration{0, 300 * time.Millisecond, 1500 * time.Millisecond, time.Hour}

func (r *randomGroup) duration() time.Duration { return durations[r.rnd.IntN(len(durations))] }

func (r *randomGroup) add() {
	m := server.Member{Name: fmt.Sprintf("m%d", len(r.names))}
	for _, name := range r.names {
		if r.rnd.IntN(4) == 0 {
			m.After = append(m.After, name)
		}
	}
	lis := servertest.Listen()
	takes := r.duration()
	switch r.rnd.IntN(6) {
	case 0:
		m.Server, m.Listeners = server.New(r.tr), listeners(lis)
		greeterv1.RegisterGreeterServer(m.Server, &greeter.Server{})
		r.clients = append(r.clients, func() { hello(r.t, lis, takes) })
	case 1:
		m.HTTP, m.Listeners = &http.Server{Handler: &site{}}, listeners(lis)
		r.clients = append(r.clients, func() { request(r.t, lis, takes.String()) })
	case 2:
		m.HTTP = &http.Server{
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-r.release }),
		}
		m.Listeners = listeners(&deaf{lis, r.release})
		r.clients = append(r.clients, func() { request(r.t, lis, "stay") })
	default:
		m.Close = r.closer(takes)
		r.closers++
	}
	r.names = append(r.names, m.Name)
	r.g.Add(m)
}

// closer returns one of those that behave, or not.
func (r *randomGroup) closer(takes time.Duration) func(context.Context) error {
	kind := r.rnd.IntN(5)
	return func(ctx context.Context) error {
		r.closes.Add(1)
		switch kind {
		case 0:
			<-r.release
		case 1:
			panic("boom")
		case 2:
			runtime.Goexit()
		case 3:
			return errors.New("disk full")
		}
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// TestGroupAlwaysEnds: 200 random groups, each with a grace period of 2 s.
func TestGroupAlwaysEnds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			tr := newTracer(t)
			r := &randomGroup{
				t: t, tr: tr, rnd: rand.New(rand.NewPCG(seed, i)), release: make(chan struct{}),
				g: server.NewGroup(tr, server.GracePeriod(2*time.Second)),
			}
			for range 1 + r.rnd.IntN(6) {
				r.add()
			}
			start(t, r.g)
			for _, call := range r.clients {
				call()
			}
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			if r.rnd.IntN(3) == 0 {
				time.AfterFunc(r.duration(), cancel)
			}
			begin := time.Now()
			_ = r.g.Stop(ctx)
			if took := time.Since(begin); took > 2200*time.Millisecond {
				t.Errorf("group %d of seed %d: Stop took %s", i, seed, took)
			}
			if n := r.closes.Load(); n != r.closers {
				t.Errorf("group %d of seed %d: %d calls of Close, want %d", i, seed, n, r.closers)
			}
			cancel()
			close(r.release)
		})
	}
}
