// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// nowhere is a listener whose connections have no address, which net/http lets be.
type nowhere struct{ *servertest.Listener }

type nowhereConn struct{ net.Conn }

func (*nowhereConn) RemoteAddr() net.Addr { return nil }

func (l nowhere) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &nowhereConn{c}, nil
}

// TestGroupHTTPUnknownPeer: to name who holds the stop must not end the process.
func TestGroupHTTPUnknownPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lis := servertest.Listen()
		g := server.NewGroup(newTracer(t), server.GracePeriod(4*time.Second))
		web := &http.Server{Handler: &site{}}
		g.Add(server.Member{Name: "web", HTTP: web, Listeners: listeners(nowhere{lis})})
		start(t, g)
		short := request(t, lis, "2s")
		request(t, lis, "1h")
		synctest.Wait()
		wantError(t, "Stop", g.Stop(t.Context()), "requests cut on 1 of", "the longest from an unknown peer")
		if !<-short {
			t.Error("a request has no answer")
		}
	})
}

// TestGroupHTTPProgress: who holds an HTTP server is told while it does.
func TestGroupHTTPProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &lines{on: func(string) {}}
		tr := newTracer(t, tracer.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
		lis := servertest.Listen()
		g := server.NewGroup(tr)
		g.Add(server.Member{Name: "web", HTTP: &http.Server{Handler: &site{}}, Listeners: listeners(lis)})
		start(t, g)
		request(t, lis, "5s")
		synctest.Wait()
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		const want = "web: conn wait for 3.0s so far: connection from 10.0.0.1:40001, open 3.0s, " +
			"answering a request for 3.0s"
		if !strings.Contains(log.String(), want) {
			t.Errorf("want %q in\n%s", want, log.String())
		}
	})
}

// TestGroupCancelledDeaf: who cancels a stop does not wait for the grace period
// because a Close does not listen.
func TestGroupCancelledDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forever := make(chan struct{})
		defer close(forever)
		g := server.NewGroup(newTracer(t))
		g.Add(server.Member{Name: "deaf", Close: func(context.Context) error { <-forever; return nil }})
		start(t, g)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		err := g.Stop(ctx)
		wantError(t, "Stop", err, "member deaf: its stop has not returned", "left behind")
		if took := time.Since(begin); took != 3*time.Second || !errors.Is(err, context.Canceled) {
			t.Errorf("after %s: %v, want it cancelled, after 3s", took, err)
		}
	})
}

// TestGroupStopEndsStart: a Stop that comes before anything is served is no Stop
// that was not heard.
func TestGroupStopEndsStart(t *testing.T) {
	for name, run := range map[string]func(*server.Group) error{
		"Start": func(g *server.Group) error { return g.Start(t.Context()) },
		"Run":   func(g *server.Group) error { return g.Run(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			taken, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer taken.Close()
			var g *server.Group
			stopped := make(chan error, 1)
			log := &lines{on: func(line string) {
				if strings.Contains(line, "waiting for an address in use") {
					go func() { stopped <- g.Stop(t.Context()) }()
				}
			}}
			tr := newTracer(t, tracer.WithLogger(slog.New(slog.NewTextHandler(log, nil))))
			g = server.NewGroup(tr, server.BindRetry(time.Hour))
			g.Add(server.Member{Name: "web", HTTP: &http.Server{}, Addr: taken.Addr().String()})
			err = run(g)
			if name == "Run" && err != nil {
				t.Errorf("Run: %v, want nil: it was stopped", err)
			}
			if name == "Start" {
				wantError(t, "Start", err, "member web: ", "Stop was called")
			}
			if err := <-stopped; err != nil {
				t.Errorf("Stop: %v", err)
			}
		})
	}
}

// TestGroupAtOnce: every call that ends a group, at the same time, in any order.
func TestGroupAtOnce(t *testing.T) {
	for range 20 {
		g, lis := group(t, 2*time.Second,
			server.Member{Name: "web", HTTP: &http.Server{Handler: &site{}}, Addr: "127.0.0.1:0"},
			server.Member{Name: "c", Close: func(context.Context) error { return errBroken }, After: []string{"api"}},
		)
		ctx, cancel := context.WithCancel(t.Context())
		begin := time.Now()
		var all sync.WaitGroup
		for _, f := range []func(){
			cancel, func() { _ = g.Run(ctx) }, func() { _ = g.Stop(ctx) }, func() { _ = g.Stop(t.Context()) },
			func() { _ = lis.Close() }, func() { g.Add(server.Member{Name: "late"}) },
		} {
			all.Go(f)
		}
		all.Wait()
		if err := g.Stop(t.Context()); err != nil && !errors.Is(err, errBroken) {
			wantError(t, "Stop", err, "member ")
		}
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	}
}

// panicking is a listener whose Accept panics.
type panicking struct{ *servertest.Listener }

func (*panicking) Accept() (net.Conn, error) { panic(errBroken) }

// TestGroupAcceptPanics: the member is named, and the others are stopped.
func TestGroupAcceptPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		bad := &panicking{servertest.Listen()}
		g, _ := group(t, 20*time.Second,
			server.Member{Name: "web", HTTP: &http.Server{}, Listeners: listeners(bad)},
			server.Member{Name: "database", Close: func(context.Context) error { closed = true; return nil }},
		)
		err := g.Run(t.Context())
		if wantError(t, "Run", err, "member web: panic: "); !errors.Is(err, errBroken) || !closed {
			t.Errorf("Run: %v; the database was closed: %t", err, closed)
		}
	})
}
