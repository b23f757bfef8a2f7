// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

const (
	helloMethod = "greeter.v1.Greeter/SayHello"
	chatMethod  = "greeter.v1.Greeter/Chat"
)

// behind is a server whose RPCs come through an http.Server.
func behind(t *testing.T, opts ...grpc.ServerOption) (*server.Server, *held, func() *tracer.Report) {
	t.Helper()
	reports := make(chan *tracer.Report, 1)
	tr := newTracer(t, tracer.WithReport(func(r *tracer.Report) { reports <- r }))
	s, h := server.New(tr, opts...), newHeld()
	greeterv1.RegisterGreeterServer(s, h)
	return s, h, func() *tracer.Report { return <-reports }
}

func phase(r *tracer.Report, name tracer.Phase) *tracer.PhaseReport {
	at := slices.IndexFunc(r.Phases, func(p tracer.PhaseReport) bool { return p.Name == name })
	if at < 0 {
		return nil
	}
	return &r.Phases[at]
}

// TestU31ServeHTTP: grpc shares a port with a web server, and each deploy cut its
// RPCs (grpc-go up to 1.81 panics instead). Ours end by themselves, new ones are
// refused in gRPC's words, and the port goes on.
func TestU31ServeHTTP(t *testing.T) {
	for _, transport := range slices.Sorted(maps.Keys(transports)) {
		t.Run(transport, func(t *testing.T) {
			s, h, report := behind(t)
			p := share(t, s, transport)
			c := p.dial(t)
			call := h.hold(c, false)
			end, chat := h.chat(t, c)
			stopped := make(chan error, 1)
			go func() { stopped <- s.Shutdown(context.Background()) }()
			<-s.Draining()
			for range 3 { // each on a connection of its own: the last one got a GOAWAY
				_, err := c.SayHello(context.Background(), &greeterv1.SayHelloRequest{})
				wantUnavailable(t, "an RPC during the drain", err, "the server is shutting down")
			}
			<-time.After(20 * time.Millisecond) // less is not worth a culprit
			select {
			case err := <-stopped:
				t.Fatalf("Shutdown returned with RPCs in flight: %v", err)
			default:
			}
			end()
			if err := <-chat; !errors.Is(err, io.EOF) {
				t.Errorf("the stream was cut: %v", err)
			}
			close(h.release)
			if err := <-call; err != nil {
				t.Errorf("the RPC was cut: %v", err)
			}
			if err := <-stopped; err != nil {
				t.Errorf("Shutdown: %v, want nil", err)
			}
			r := report()
			wait := phase(r, "ServeHTTP wait")
			if r.Outcome != tracer.OutcomeGraceful || wait == nil || wait.Culprit == nil {
				t.Fatalf("%s: %s; the wait: %+v", r.Outcome, r.Verdict, wait)
			}
			if want := "ServeHTTP wait took "; !strings.HasPrefix(r.Verdict, want) ||
				!strings.Contains(r.Verdict, "rpc "+helloMethod+" through ServeHTTP from 127.0.0.1:") {
				t.Errorf("verdict: %s", r.Verdict)
			}
			if got := wait.Culprit.Transport; got != "servehttp" || len(wait.Bars) != 2 {
				t.Errorf("transport %q, %d bars, want servehttp and 2", got, len(wait.Bars))
			}
			if err := p.Shutdown(context.Background()); err != nil {
				t.Errorf("the http.Server's Shutdown: %v", err)
			}
		})
	}
}

// TestU32ServeHTTPForced: what has not ended by the deadline is cut and counted,
// and its clients are told so, whatever the handlers do.
func TestU32ServeHTTPForced(t *testing.T) {
	for _, transport := range slices.Sorted(maps.Keys(transports)) {
		t.Run(transport, func(t *testing.T) {
			const grace = 500 * time.Millisecond
			s, h, report := behind(t, server.GracePeriod(grace))
			defer close(h.release)
			p := share(t, s, transport)
			c := p.dial(t)
			calls := []<-chan error{h.hold(c, false), h.hold(c, true)}
			_, chat := h.chat(t, c)
			begin := time.Now()
			err := s.Shutdown(context.Background())
			if took := time.Since(begin); took > 3*grace { // other tests want the CPU, too
				t.Errorf("Shutdown returned after %s, want %s", took, grace)
			}
			var forced *server.DeadlineError
			if !errors.As(err, &forced) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Shutdown: %v, want a *DeadlineError", err)
			}
			for _, cut := range append(calls, chat) {
				wantUnavailable(t, "an RPC that was cut", <-cut, "the server was stopped")
			}
			if n := len(forced.Holders); n != 3 && n != 0 { // none: there was no time to look
				t.Errorf("holders: %+v, want 3", forced.Holders)
			}
			r := report()
			if want := map[string]int{helloMethod: 2, chatMethod: 1}; r.Outcome != tracer.OutcomeForced ||
				!maps.Equal(r.RPCsCut, want) {
				t.Errorf("%s, cut %v, want %v: %s", r.Outcome, r.RPCsCut, want, r.Verdict)
			}
			if want := "; the forced stop released it, cutting 3 RPCs ("; !strings.Contains(r.Verdict, want) {
				t.Errorf("the verdict does not say %q: %s", want, r.Verdict)
			}
			if r.Outlived[helloMethod] != 1 {
				t.Errorf("handlers that outlived it: %v, want the one that ignores its context", r.Outlived)
			}
		})
	}
}

// cutsServeHTTP says that this grpc-go's drain closes ServeHTTP transports; before,
// it panicked.
func cutsServeHTTP() bool {
	minor := 0
	_, _ = fmt.Sscanf(grpc.Version, "1.%d.", &minor)
	return minor >= 82
}

// TestU32NotOurs: a framework has kept the grpc server and serves through it, so
// that nobody waits for its RPCs: GracefulStop cuts them, which must not look like
// success. On an old grpc-go nothing panics, and they are waited for.
func TestU32NotOurs(t *testing.T) {
	s, h, report := behind(t)
	inner, ok := s.Unwrap().(http.Handler)
	if !ok {
		t.Fatal("grpc's server is no http.Handler")
	}
	c := share(t, inner, "h2c").dial(t)
	call := h.hold(c, false)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	if !cutsServeHTTP() {
		<-s.Draining()
		<-time.After(50 * time.Millisecond) // for as many panics
		close(h.release)
		if err := errors.Join(<-call, <-stopped); err != nil {
			t.Errorf("Shutdown, or the RPC that it waited for: %v", err)
		}
		if r := report(); r.Outcome != tracer.OutcomeGraceful || len(r.RPCsCut) > 0 {
			t.Errorf("%s, cut %v, want a graceful stop: %s", r.Outcome, r.RPCsCut, r.Verdict)
		}
		return
	}
	err := <-stopped
	var forced *server.DeadlineError
	if !errors.As(err, &forced) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want a *DeadlineError that is none of the deadline", err)
	}
	if err := <-call; err == nil {
		t.Error("the RPC was not cut: the test shows nothing")
	}
	r := report()
	if r.Outcome != tracer.OutcomeForced || r.RPCsCut[helloMethod] != 1 ||
		!strings.Contains(r.Verdict, "; GracefulStop cut 1 RPC that came through ServeHTTP ("+helloMethod+")") {
		t.Errorf("%s, cut %v: %s", r.Outcome, r.RPCsCut, r.Verdict)
	}
}

// TestServeHTTPGracefulStop: it waits for as long as they take, and a Stop ends that.
func TestServeHTTPGracefulStop(t *testing.T) {
	for _, force := range []bool{false, true} {
		t.Run(fmt.Sprintf("force=%v", force), func(t *testing.T) {
			s, h, report := behind(t)
			call := h.hold(share(t, s, "TLS").dial(t), false)
			stopped := make(chan struct{})
			go func() { defer close(stopped); s.GracefulStop() }()
			<-s.Draining()
			if force {
				s.Stop()
				wantUnavailable(t, "the RPC", <-call, "the server was stopped")
			} else {
				close(h.release)
				if err := <-call; err != nil {
					t.Errorf("the RPC was cut: %v", err)
				}
			}
			<-stopped
			if r, want := report(), map[bool]int{true: 1}[force]; r.RPCsCut[helloMethod] != want {
				t.Errorf("cut %v, want %d: %s", r.RPCsCut, want, r.Verdict)
			}
		})
	}
}

// TestServeHTTPStop cuts them at once.
func TestServeHTTPStop(t *testing.T) {
	s, h, report := behind(t)
	c := share(t, s, "h2c").dial(t)
	call := h.hold(c, false)
	s.Stop()
	wantUnavailable(t, "the RPC", <-call, "the server was stopped")
	_, err := c.SayHello(context.Background(), &greeterv1.SayHelloRequest{})
	wantUnavailable(t, "an RPC after the stop", err, "the server is shutting down")
	if r := report(); r.RPCsCut[helloMethod] != 1 || r.Outcome != tracer.OutcomeForced {
		t.Errorf("%s, cut %v, want one: %s", r.Outcome, r.RPCsCut, r.Verdict)
	}
}

// TestServeHTTPMixed: where grpc has connections of its own, an endless RPC of ServeHTTP
// must not keep their clients from being told.
func TestServeHTTPMixed(t *testing.T) {
	s, h, report := behind(t, server.GracePeriod(2*time.Second))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	native := (&port{addr: lis.Addr().String(), creds: insecure.NewCredentials()}).dial(t)
	end, own := h.chat(t, native)
	_, web := h.chat(t, share(t, s, "TLS").dial(t))
	stopped := make(chan error, 1)
	go func() { stopped <- s.Shutdown(context.Background()) }()
	wantUnavailable(t, "the RPC of ServeHTTP", <-web, "the server was stopped")
	end()
	if err := <-own; !errors.Is(err, io.EOF) {
		t.Errorf("the RPC of grpc's own connection was cut: %v", err)
	}
	var forced *server.DeadlineError
	if err := <-stopped; !errors.As(err, &forced) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v, want a *DeadlineError", err)
	}
	<-served
	r := report()
	if r.RPCsCut[chatMethod] != 1 || phase(r, tracer.PhaseGoAway) == nil ||
		phase(r, tracer.PhaseForcedStop) != nil {
		t.Errorf("cut %v, want one, and no forced stop: %s", r.RPCsCut, r.Verdict)
	}
	want := "; to tell the other clients, the server cut 1 RPC that came through ServeHTTP (" + chatMethod + ")"
	if !strings.Contains(r.Verdict, want) {
		t.Errorf("the verdict does not say %q: %s", want, r.Verdict)
	}
}

// TestServeHTTPRefuses has what a request is answered that is no RPC, or comes to
// a server that has none to serve.
func TestServeHTTPRefuses(t *testing.T) {
	ask := func(s *server.Server, proto int, contentType string) *http.Response {
		r := httptest.NewRequest(http.MethodPost, "/"+helloMethod, strings.NewReader(""))
		r.ProtoMajor = proto
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Result()
	}
	drained, _, report := behind(t)
	drained.GracefulStop()
	report()
	fresh, _, _ := behind(t)
	for _, test := range []struct {
		name        string
		server      *server.Server
		proto       int
		contentType string
		want        int
		status      string
	}{
		{"not over HTTP/2: grpc's answer", fresh, 1, "application/grpc", http.StatusHTTPVersionNotSupported, ""},
		{"no RPC: grpc's answer", fresh, 2, "text/plain", http.StatusUnsupportedMediaType, ""},
		{"an RPC during the drain", drained, 2, "application/grpc+proto", http.StatusOK, "14"},
		{"no RPC during the drain", drained, 2, "text/plain", http.StatusServiceUnavailable, ""},
		{"not over HTTP/2 during the drain", drained, 1, "application/grpc", http.StatusServiceUnavailable, ""},
		{"no tracer", server.New(nil), 2, "application/grpc", http.StatusInternalServerError, ""},
		{
			"no ServeHTTP to wrap", server.Wrap(noHTTP{grpc.NewServer()}, newTracer(t)), 2, "application/grpc",
			http.StatusNotImplemented, "",
		},
	} {
		r := ask(test.server, test.proto, test.contentType)
		_ = r.Body.Close()
		if r.StatusCode != test.want || r.Header.Get("Grpc-Status") != test.status {
			t.Errorf("%s: %s, grpc-status %q, want %d and %q", test.name, r.Status,
				r.Header.Get("Grpc-Status"), test.want, test.status)
		}
	}
}

// noHTTP has what Wrap needs, and no ServeHTTP.
type noHTTP struct{ server.GRPC }
