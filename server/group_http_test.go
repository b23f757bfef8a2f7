// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// site answers at /DURATION after that time, and hijacks at /hijack.
type site struct {
	mu       sync.Mutex // guards following
	hijacked []net.Conn
	cut      int // requests whose context ended first
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/hijack" {
		c, _, _ := http.NewResponseController(w).Hijack()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hijacked = append(s.hijacked, c)
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		return
	}
	d, _ := time.ParseDuration(r.URL.Path[1:])
	select {
	case <-time.After(d):
	case <-r.Context().Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cut++
		// In memory the client may still hear, while Close has closed one way only.
		panic(http.ErrAbortHandler)
	}
}

// request sends one on a connection of its own, which stays open, and tells whether
// the answer came.
func request(t *testing.T, lis *servertest.Listener, path string) <-chan bool {
	t.Helper()
	c, err := lis.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	answered := make(chan bool, 1)
	go func() {
		if path != "" {
			_, _ = fmt.Fprintf(c, "GET /%s HTTP/1.1\r\nHost: site\r\n\r\n", path)
		}
		line, _ := bufio.NewReader(c).ReadString('\n')
		answered <- strings.HasPrefix(line, "HTTP/1.1 200 ")
	}()
	return answered
}

// web makes a group of an HTTP server alone. report is what the group tells.
func web(
	t *testing.T, grace time.Duration, srv *http.Server,
) (g *server.Group, lis *servertest.Listener, report *tracer.Report) {
	t.Helper()
	report = &tracer.Report{}
	g = server.NewGroup(newTracer(t, tracer.WithReport(func(r *tracer.Report) { *report = *r })),
		server.GracePeriod(grace))
	lis = servertest.Listen()
	g.Add(server.Member{Name: "web", HTTP: srv, Listeners: listeners(lis)})
	return g, lis, report
}

// TestGroupHTTP: idle connections are closed at once, those in use when they have
// their answer; it is known how many there were, and who held the stop. The
// application's own hooks see what they saw without a group.
func TestGroupHTTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		states, own := 0, false
		g, lis, report := web(t, 20*time.Second, &http.Server{
			Handler: &site{},
			ConnState: func(net.Conn, http.ConnState) {
				mu.Lock()
				defer mu.Unlock()
				states++
			},
			BaseContext: func(l net.Listener) context.Context {
				_, own = l.(*servertest.Listener)
				return context.Background()
			},
		})
		start(t, g)
		idle := request(t, lis, "0s")
		short := request(t, lis, "4s")
		long := request(t, lis, "6s")
		time.Sleep(2 * time.Second)
		begin := time.Now()
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if took := time.Since(begin); took != 4*time.Second {
			t.Errorf("it took %s, want the 4s that were left of a request", took)
		}
		if !<-idle || !<-short || !<-long {
			t.Error("a request has no answer")
		}
		if len(report.Members) != 1 {
			t.Fatalf("report: %+v, want one member", report)
		}
		m := report.Members[0]
		want := tracer.MemberReport{
			Name: "web", Kind: "http", BudgetLeft: tracer.Duration(20 * time.Second), Idle: 1, Active: 2,
		}
		if diff := cmp.Diff(want, *m.Member); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if len(m.Phases) != 1 || len(m.Phases[0].Bars) != 2 {
			t.Fatalf("phases: %+v, want one with two bars", m.Phases)
		}
		holder := "connection from 10.0.0.3:40003, open 6.0s, answering a request for 6.0s"
		if !strings.Contains(m.Verdict, holder) {
			t.Errorf("verdict %q, want %q", m.Verdict, holder)
		}
		mu.Lock()
		defer mu.Unlock()
		if states != 3+3+1+3 || !own { // new, active, closed; one was idle between; two also
			t.Errorf("the application saw %d states, and its listener: %t", states, own)
		}
	})
}

// TestGroupHTTPForced: requests that do not end in time are cut, and told of.
func TestGroupHTTPForced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		g, lis, report := web(t, 10*time.Second, &http.Server{Handler: s})
		start(t, g)
		first := request(t, lis, "1h")
		time.Sleep(3 * time.Second)
		second := request(t, lis, "1h")
		synctest.Wait()
		begin := time.Now()
		err := g.Stop(t.Context())
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %s, more than the grace period", took)
		}
		wantError(t, "Stop", err, "member web: shutdown forced, requests cut on 2 of its connections, "+
			"the longest from 10.0.0.1:40001 after 11.9s: context deadline exceeded")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Stop: %v, want context.DeadlineExceeded", err)
		}
		if <-first || <-second || s.cut != 2 {
			t.Errorf("%d requests were cut, want both", s.cut)
		}
		m := report.Members[0]
		if !m.Member.Forced || m.Member.Cut != 2 || m.Outcome != tracer.OutcomeForced {
			t.Errorf("report: %+v", m.Member)
		}
	})
}

// TestGroupHTTPHandlerStays: one that ignores its context is left behind, in time.
func TestGroupHTTPHandlerStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		g, lis, _ := web(t, 10*time.Second, &http.Server{
			Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }),
		})
		start(t, g)
		request(t, lis, "stay")
		synctest.Wait()
		begin := time.Now()
		wantError(t, "Stop", g.Stop(t.Context()), "requests cut on 1 of", "handlers still run on 1:")
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("it took %s, more than the grace period", took)
		}
		close(release)
	})
}

// TestGroupHTTPHijacked: http.Server does not wait for those, but they are counted
// as long as they are open.
func TestGroupHTTPHijacked(t *testing.T) {
	s := &site{}
	var report *tracer.Report
	g := server.NewGroup(newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r })))
	g.Add(server.Member{Name: "web", HTTP: &http.Server{Handler: s}, Addr: "127.0.0.1:0"})
	start(t, g)
	for range 3 {
		c, err := net.Dial("tcp", g.Addrs("web")[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET /hijack HTTP/1.1\r\nHost: site\r\n\r\n")
		if line, err := bufio.NewReader(c).ReadString('\n'); err != nil {
			t.Fatalf("%q, %v", line, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.hijacked[0].Close()
	if err := g.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if n := report.Members[0].Member.Hijacked; n != 2 {
		t.Errorf("%d hijacked connections are left, want the 2 that are open", n)
	}
	for _, c := range s.hijacked {
		_ = c.Close()
	}
}

// TestGroupHTTPSilent: who connected and never asked for anything makes no stop a
// forced one.
func TestGroupHTTPSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, lis, report := web(t, 4*time.Second, &http.Server{Handler: &site{}})
		start(t, g)
		request(t, lis, "")
		synctest.Wait()
		if err := g.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if m := report.Members[0]; !strings.Contains(m.Verdict, "it has sent no request") {
			t.Errorf("verdict: %s", m.Verdict)
		}
	})
}

// deaf is a listener whose Accept ignores Close.
type deaf struct {
	*servertest.Listener
	release chan struct{}
}

func (l *deaf) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.release
	}
	return c, err
}

// TestGroupHTTPAcceptStays: http.Server's Shutdown and Close would wait for ever.
func TestGroupHTTPAcceptStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		lis := &deaf{servertest.Listen(), make(chan struct{})}
		g := server.NewGroup(newTracer(t), server.GracePeriod(10*time.Second))
		g.Add(server.Member{Name: "web", HTTP: &http.Server{Handler: s}, Listeners: listeners(lis)})
		start(t, g)
		answered := request(t, lis.Listener, "1h")
		synctest.Wait()
		begin := time.Now()
		wantError(t, "Stop", g.Stop(t.Context()),
			"member web: shutdown forced, a listener's Accept or Close does not return, requests cut on 1")
		if took := time.Since(begin); took > 10100*time.Millisecond {
			t.Errorf("it took %s, more than the grace period and 100ms", took)
		}
		if <-answered || s.cut != 1 {
			t.Error("the request was not cut")
		}
		close(lis.release)
	})
}

// TestGroupHTTPCancelled: handlers get their moment, too.
func TestGroupHTTPCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		g, lis, _ := web(t, 20*time.Second, &http.Server{Handler: s})
		start(t, g)
		answered := request(t, lis, "1h")
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		begin := time.Now()
		err := g.Stop(ctx)
		if !errors.Is(err, context.Canceled) || strings.Contains(err.Error(), "still run") {
			t.Errorf("Stop: %v", err)
		}
		if took := time.Since(begin); took > time.Second || <-answered {
			t.Errorf("it took %s", took)
		}
	})
}

// TestGroupHTTPServesGRPC: a grpc server behind an HTTP server is stopped first,
// and has a bar of its own.
func TestGroupHTTPServesGRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var report *tracer.Report
		tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { report = r }))
		srv := server.New(tr)
		greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
		var h2c http.Protocols
		h2c.SetUnencryptedHTTP2(true)
		lis := servertest.Listen()
		g := server.NewGroup(tr)
		g.Add(server.Member{
			Name: "web", HTTP: &http.Server{Handler: srv, Protocols: &h2c}, Listeners: listeners(lis),
		})
		start(t, g)
		call := hello(t, lis, 4*time.Second)
		synctest.Wait()
		begin := time.Now()
		if err := errors.Join(g.Stop(t.Context()), <-call); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("it took %s, want the RPC's 4s and what net/http needs for its GOAWAY", took)
		}
		var kinds []string
		for _, m := range report.Members {
			kinds = append(kinds, m.Member.Name+" "+m.Member.Kind)
		}
		if diff := cmp.Diff([]string{"web grpc", "web http"}, kinds); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
	})
}
