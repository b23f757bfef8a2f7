// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// ask makes a request as the debug port would.
func ask(h http.Handler, method, target, accept string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, nil)
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	h.ServeHTTP(w, r)
	return w
}

// wantText expects an answer with all of words.
func wantText(t *testing.T, when string, h http.Handler, words ...string) {
	t.Helper()
	w := ask(h, http.MethodGet, "/", "")
	for _, word := range words {
		if !strings.Contains(w.Body.String(), word) {
			t.Errorf("%s, the answer does not say %q:\n%s", when, word, w.Body)
		}
	}
}

func silentTracer(t *testing.T) *Tracer {
	t.Helper()
	k := &sink{}
	tr, err := New(t.Context(), WithExporter(k.factory), WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// finish lets everything go.
func (p *served) finish(t *Tracer, s *Shutdown) {
	p.silent.Closed()
	p.silent.HandshakeEnd()
	t.Table().End(p.rpc)
	p.conn.Closed()
	s.Returned()
	s.Finish(context.Background())
}

// TestHandler asks before, during and after a stop that hangs.
func TestHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		h := tr.Handler()
		wantPage(t, h, "/", "no shutdown is running")
		if got := ask(h, http.MethodGet, "/", "").Body.String(); got != "no shutdown is running\n" {
			t.Errorf("before the stop the answer is %q", got)
		}
		p := serving(tr)
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		p.closeListener()
		time.Sleep(2 * time.Second)
		wantText(t, "at 2 s", h, "running", "handshake wait",
			"verdict: handshake wait for 2.0s so far: handshake from 10.0.0.1:40000")
		p.silent.Closed()
		p.silent.HandshakeEnd()
		time.Sleep(3 * time.Second)
		wantText(t, "at 5 s", h, "verdict: conn wait for 3.0s so far: rpc greeter.v1.Greeter/SayHello")

		wantPage(t, h, "/", "conn wait for 3.0s so far: rpc greeter.v1.Greeter/SayHello")

		var live struct {
			Version  int      `json:"version"`
			Running  []Report `json:"running"`
			Finished []Report `json:"finished"`
		}
		w := ask(h, http.MethodGet, "/?format=json", "")
		if err := json.Unmarshal(w.Body.Bytes(), &live); err != nil {
			t.Fatal(err)
		}
		if live.Version != 1 || len(live.Running) != 1 || live.Finished == nil || len(live.Finished) != 0 {
			t.Fatalf("want one that runs, and an empty array of finished ones: %s", w.Body)
		}
		if r := live.Running[0]; r.Outcome != OutcomeRunning || len(r.Checkpoints) != 3 || r.TraceID == "" {
			t.Errorf("outcome %s, %d checkpoints, trace %q", r.Outcome, len(r.Checkpoints), r.TraceID)
		}
		p.finish(tr, s)
		wantText(t, "after the stop", h, "no shutdown is running\n", "the last one, of 2000-01-01T00:00:00",
			"graceful", "verdict: conn wait took 3.0s of 5.0s")
	})
}

// TestHandlerShowsAllServers of a process, whichever Tracer made it.
func TestHandlerShowsAllServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := silentTracer(t)
		defer first.Close()
		tracers := []*Tracer{first.ForServer(), first.ForServer(), first.ForServer()}
		var stops []*Shutdown
		var peers []*served
		for _, tr := range tracers {
			p := serving(tr)
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			p.closeListener()
			peers, stops = append(peers, p), append(stops, s)
			time.Sleep(time.Second)
		}
		peers[0].finish(tracers[0], stops[0])
		for _, tr := range tracers {
			wantText(t, "when one of three is over", tr.Handler(),
				"shutdown 1 of 2, since 2000-01-01T00:00:01", "handshake wait for 2.0s so far",
				"shutdown 2 of 2, since 2000-01-01T00:00:02", "handshake wait for 1.0s so far",
				"before, of 2000-01-01T00:00:00", "handshake wait took 3.0s of 3.0s")
		}
		wantPage(t, first.Handler(), "/", "<ol>", "?format=html&amp;n=2", "handshake wait for 1.0s so far")
		wantPage(t, first.Handler(), "/?n=2", "Content-Security-Policy", "handshake wait for 1.0s so far")
		wantPage(t, first.Handler(), "/?n=99", "handshake wait took 3.0s of 3.0s") // the last one
		for i := range 2 {
			peers[1+i].finish(tracers[1+i], stops[1+i])
		}
	})
}

// wantPage expects a page with all of words, as a browser gets it.
func wantPage(t *testing.T, h http.Handler, target string, words ...string) {
	t.Helper()
	w := ask(h, http.MethodGet, target, "text/html")
	for _, word := range words {
		if !strings.Contains(w.Body.String(), word) {
			t.Errorf("%s does not say %q:\n%.2000s", target, word, w.Body)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.HasSuffix(policy, noFrame) {
		t.Errorf("%s: the policy is %q", target, policy)
	}
}

// TestFinishedAreBounded: a process that stops and starts servers all day keeps
// the last ones.
func TestFinishedAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		for range maxFinished + 5 {
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			time.Sleep(time.Second)
			s.Returned()
			s.Finish(t.Context())
		}
		running, finished := tr.live.look()
		if len(running) != 0 || len(finished) != maxFinished {
			t.Fatalf("%d running, %d finished, want 0 and %d", len(running), len(finished), maxFinished)
		}
		if at := finished[maxFinished-1].Start.Second(); at != maxFinished+4 {
			t.Errorf("the last one is of second %d, want the last", at)
		}
	})
}

// TestHandlerIsReadOnly: GET and HEAD, and nothing may keep the answer.
func TestHandlerIsReadOnly(t *testing.T) {
	tr := silentTracer(t)
	defer tr.Close()
	h := tr.Handler()
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"} {
		w := ask(h, method, "/", "")
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: status %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	get, head := ask(h, http.MethodGet, "/", ""), ask(h, http.MethodHead, "/", "")
	if head.Code != http.StatusOK || head.Body.Len() != 0 ||
		head.Header().Get("Content-Length") != strconv.Itoa(get.Body.Len()) {
		t.Errorf("HEAD: status %d, %d bytes, headers %v", head.Code, head.Body.Len(), head.Header())
	}
	for key, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Content-Type": "text/plain; charset=utf-8", "Vary": "Accept",
		"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
	} {
		if got := get.Header().Get(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestHandlerFormats(t *testing.T) {
	tr := silentTracer(t)
	defer tr.Close()
	for _, tt := range []struct{ target, accept, want string }{
		{"/", "", "text/plain; charset=utf-8"},
		{"/", "*/*", "text/plain; charset=utf-8"},
		{"/", "application/json", "application/json"},
		{"/", "application/json, text/plain, */*", "application/json"},
		{"/", "text/plain;q=0.5, application/json;q=0.9", "application/json"},
		{"/", "application/json;q=0, */*;q=0.1", "text/plain; charset=utf-8"},
		{"/", "image/png, application/*", "application/json"},
		{"/", "image/png", "text/plain; charset=utf-8"},
		{"/", ";;,;q=NaN,/," + strings.Repeat("x,", 1<<20), "text/plain; charset=utf-8"},
		{"/?format=json", "text/plain", "application/json"},
		{"/?format=html", "", "text/html; charset=utf-8"},
		{"/", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"},
		{"/?format=text", "application/json", "text/plain; charset=utf-8"},
	} {
		w := ask(tr.Handler(), http.MethodGet, tt.target, tt.accept)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != tt.want {
			t.Errorf("%s, Accept %.60q: status %d, %q, want %q", tt.target, tt.accept, w.Code, got, tt.want)
		}
	}
	for _, bad := range []string{"/?format=%3Cscript%3E", "/?n=%3Cscript%3E", "/?n=-1"} {
		w := ask(tr.Handler(), http.MethodGet, bad, "")
		if w.Code != http.StatusBadRequest || strings.Contains(w.Body.String(), "script") {
			t.Errorf("%s: status %d: %s", bad, w.Code, w.Body)
		}
	}
}

// TestHandlerRests: however many ask, a stop is looked at once in a while.
func TestHandlerRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		p := serving(tr)
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		look := func() *Report {
			running, _ := tr.live.look()
			return running[0]
		}
		first := look()
		time.Sleep(sightRest - time.Millisecond)
		if look() != first {
			t.Error("it is looked at anew before the rest is over")
		}
		time.Sleep(time.Millisecond)
		if look() == first {
			t.Error("it is not looked at anew")
		}
		p.closeListener()
		p.finish(tr, s)
	})
}

// TestHandlerHoldsNothing: a look that hangs keeps neither the forced stop nor
// the end waiting.
func TestHandlerHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		p := serving(tr)
		var hang atomic.Bool
		release := make(chan struct{})
		resolve := tr.Table().Resolve
		tr.Table().Resolve = func(ctx context.Context) watch.Caller {
			if hang.Load() {
				<-release
			}
			return resolve(ctx)
		}
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		p.closeListener()
		time.Sleep(2 * time.Second) // the shutdown has looked for itself
		hang.Store(true)
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			ask(tr.Handler(), http.MethodGet, "/", "")
		}()
		synctest.Wait()
		began := time.Now()
		if held := s.Forced(); len(held) != 1 {
			t.Errorf("%d holders, want the silent peer", len(held))
		}
		p.finish(tr, s)
		if took := time.Since(began); took > 0 {
			t.Errorf("the stop waited %s for one who looks", took)
		}
		close(release)
		<-answered
	})
}

// TestHandlerHasAFault: it is told to whoever asks and to nobody else.
func TestHandlerHasAFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		p := serving(tr)
		s, _ := tr.BeginShutdown(Call{Graceful: true})
		p.closeListener()
		synctest.Wait()
		s.sight.builder.resolve = func(context.Context) watch.Caller { panic("ours") }
		for range 2 {
			w := ask(tr.Handler(), http.MethodGet, "/", "")
			if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "ours") {
				t.Errorf("status %d: %s", w.Code, w.Body)
			}
		}
		p.finish(tr, s)
		if got := s.report().Outcome; got != OutcomeGraceful {
			t.Errorf("the stop is %s", got)
		}
	})
}

// TestHandlerDuringAStop: many ask while a server stops, for the race detector.
func TestHandlerDuringAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := silentTracer(t)
		defer tr.Close()
		ctx, cancel := context.WithCancel(t.Context())
		var asking sync.WaitGroup
		for i := range 8 {
			asking.Go(func() {
				for n := 0; ctx.Err() == nil; n++ {
					w := ask(tr.Handler(), http.MethodGet, []string{"/", "/?format=json"}[i%2], "")
					if w.Code != http.StatusOK {
						t.Errorf("status %d: %s", w.Code, w.Body)
					}
					time.Sleep(time.Duration(7*(i+1)) * time.Millisecond)
				}
			})
		}
		for range 3 {
			p := serving(tr)
			s, _ := tr.BeginShutdown(Call{Graceful: true})
			p.closeListener()
			time.Sleep(1500 * time.Millisecond)
			s.Forced()
			p.finish(tr, s)
			s.Deliver(ctx)
			time.Sleep(time.Second)
		}
		cancel()
		asking.Wait()
	})
}

func TestNilHandler(t *testing.T) {
	if w := ask((*Tracer)(nil).Handler(), http.MethodGet, "/", ""); w.Code != http.StatusNotFound {
		t.Errorf("status %d, want 404", w.Code)
	}
}
