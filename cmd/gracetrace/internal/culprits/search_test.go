// SPDX-License-Identifier: Apache-2.0

package culprits

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// many are shutdowns that begin so far apart.
func many(n int, apart time.Duration) (runs []*run) {
	for i := range n {
		runs = append(runs, &run{
			id: fmt.Sprintf("%032x", i+1), service: "greeter", outcome: "graceful",
			start:  noon.Add(-30*time.Minute + time.Duration(i)*apart),
			phases: []phase{{"conn wait", sec, watching}},
		})
	}
	return runs
}

// TestInstant: what cannot be halved any more is asked for in greater numbers and, if
// Jaeger does not give them, said to be incomplete.
func TestInstant(t *testing.T) {
	for _, tt := range []struct {
		n, most  int
		complete bool
		want     int
	}{{120, 0, true, 120}, {1100, 0, true, 1100}, {1100, 1050, false, 1000}, {120, 100, false, 100}} {
		f := newFake(t, many(tt.n, 0)...)
		f.most = tt.most
		r := collect(t, f.query(t))
		if r.Counts.All != tt.want || r.Complete != tt.complete {
			t.Errorf("%+v: %d, complete %t", tt, r.Counts.All, r.Complete)
		}
		var b bytes.Buffer
		err := r.WriteText(&b, TextOptions{Top: 1})
		if err != nil || tt.complete == strings.Contains(b.String(), "INCOMPLETE: ") {
			t.Errorf("%+v: %v\n%s", tt, err, b.String())
		}
	}
}

// TestFewRequests: a search takes few more answers than it must.
func TestFewRequests(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 1000} {
		f := newFake(t, many(n, 200*time.Millisecond)...)
		r := collect(t, f.query(t))
		if r.Counts.All != n {
			t.Errorf("%d shutdowns of %d", r.Counts.All, n)
		}
		if most := 30 + n/25; f.asked() > most {
			t.Errorf("%d requests for %d shutdowns, want %d at most", f.asked(), n, most)
		}
	}
}

// TestIgnored: a Jaeger that does not know what it is asked would be counted wrongly.
func TestIgnored(t *testing.T) {
	for ignores, want := range map[string]string{
		"num_traces":   "asked for 1 traces it answers more",
		"times":        "asked for shutdowns from ",
		"service_name": "it answers the shutdowns of another service",
	} {
		runs := many(90, sec)
		runs[7].service, runs[8].start = "shop", noon.Add(-300*time.Hour)
		f := newFake(t, runs...)
		f.ignores = ignores
		if r, err := Collect(t.Context(), f.query(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %+v", ignores, err, r)
		}
	}
	f := newFake(t)
	f.handler = func(w http.ResponseWriter, _ *http.Request) { // it knows no operations
		fmt.Fprint(w, wrap(part(idA, "GET /")))
	}
	_, err := Collect(t.Context(), f.query(t))
	if err == nil || !strings.Contains(err.Error(), "is a shutdown") {
		t.Errorf("other operations: %v", err)
	}
	n := 0
	f.handler = func(w http.ResponseWriter, r *http.Request) { // it makes them up
		at, _ := time.Parse(time.RFC3339Nano, r.URL.Query().Get("query.start_time_min"))
		list := [][]byte{}
		for range 150 {
			n++
			run := &run{id: fmt.Sprintf("%032x", n), service: "greeter", start: at, outcome: "graceful"}
			list = append(list, run.json())
		}
		answerWith(w, list)
	}
	_, err = Collect(t.Context(), f.query(t))
	if err == nil || !strings.Contains(err.Error(), "it answers more") {
		t.Errorf("an endless Jaeger: %v", err)
	}
}

// TestTroubled: what passes is asked again, what does not is an error that names it.
func TestTroubled(t *testing.T) {
	for _, tt := range []struct {
		name string
		how  func(n int, w http.ResponseWriter) bool // n counts requests, from 1; false: as usual
		want string                                  // "": all is well
	}{
		{"restarts", func(n int, w http.ResponseWriter) bool {
			if n < tries {
				http.Error(w, "starting", http.StatusServiceUnavailable)
			}
			return n < tries
		}, ""},
		{"breaks off", func(n int, w http.ResponseWriter) bool {
			if n == 1 {
				fmt.Fprint(w, wrap(part(idA, "a"))[:90])
			}
			return n == 1
		}, ""},
		{"hangs up", func(n int, _ http.ResponseWriter) bool {
			if n == 1 {
				panic(http.ErrAbortHandler)
			}
			return false
		}, ""},
		{"down", func(_ int, w http.ResponseWriter) bool {
			http.Error(w, "\x1b[2Jdown "+strings.Repeat("x", 1000), http.StatusBadGateway)
			return true
		}, "502 Bad Gateway: �[2Jdown xxx"},
		{"locked", func(_ int, w http.ResponseWriter) bool {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return true
		}, "401 Unauthorized: who are you?"},
		{"login", func(_ int, w http.ResponseWriter) bool {
			w.Header().Set("Location", "https://login.example/?key=secret")
			w.WriteHeader(http.StatusFound)
			return true
		}, "wants us elsewhere, https://login.example/?xxxxx"},
		{"no Jaeger", func(_ int, w http.ResponseWriter) bool {
			http.Error(w, "<h1>404</h1>", http.StatusNotFound)
			return true
		}, "is it the URL of Jaeger's query service, which is on port 16686 by default? (404: <h1>404</h1>)"},
		{"a page", func(_ int, w http.ResponseWriter) bool {
			fmt.Fprint(w, "<!doctype html>")
			return true
		}, `not what Jaeger answers: want '{', not "<!doctype html>"; is it the URL of Jaeger's query`},
	} {
		f := newFake(t, fleet()...)
		n := 0
		usual := f.search
		f.handler = func(w http.ResponseWriter, r *http.Request) {
			if n++; !tt.how(n, w) {
				usual(w, r)
			}
		}
		r, err := Collect(t.Context(), f.query(t))
		switch {
		case tt.want == "" && (err != nil || r.Counts.All != 41 || !r.Complete):
			t.Errorf("%s: %v, %+v", tt.name, err, r)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v\nwant %s", tt.name, err, tt.want)
		case err != nil && (len(err.Error()) > 2*maxErrorBody || !utf8.ValidString(err.Error())):
			t.Errorf("%s: %q", tt.name, err)
		}
	}
}

// TestUnreadable: one trace that cannot be read, with no other beside it in its window, is
// not the end of all others.
func TestUnreadable(t *testing.T) {
	runs := many(150, sec)
	odd := &run{id: idA, service: "greeter", start: noon.Add(-50 * time.Minute), outcome: "graceful"}
	odd.sent = odd.send()
	odd.sent[0]["attributes"] = 7
	r := collect(t, newFake(t, append(runs, odd)...).query(t))
	if r.Counts.All != 150 || r.Complete || r.Search.Unreadable != 1 ||
		!strings.Contains(r.Incomplete[0], "trace "+idA+" is not counted: ") {
		t.Errorf("%+v, %+v, %q", r.Counts, r.Search, r.Incomplete)
	}
}

// TestAllTimes: a time before any clock and one after all have an end.
func TestAllTimes(t *testing.T) {
	q := newFake(t, many(3, sec)...).query(t)
	q.From, q.To = time.Time{}, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := Collect(ctx, q)
	if err != nil || r.Counts.All != 3 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestUnreachable: nobody listens, and nobody answers.
func TestUnreachable(t *testing.T) {
	f := newFake(t)
	q := f.query(t)
	f.Close()
	if _, err := Collect(t.Context(), q); err == nil || !strings.Contains(err.Error(), "connect") {
		t.Error(err)
	}
	stop := make(chan struct{})
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"result":`)
		_ = http.NewResponseController(w).Flush()
		<-stop
	}))
	defer mute.Close()
	defer close(stop)
	c, err := NewClient(Config{URL: mute.URL + "/", Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.pause, q.Jaeger = time.Microsecond, c
	if _, err := Collect(t.Context(), q); err == nil || err.Error() != "no whole answer within 20ms" {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	c.timeout = time.Minute
	time.AfterFunc(20*time.Millisecond, func() { cancel(errors.New("ctrl-C")) })
	_, err = Collect(ctx, q)
	if err == nil || err.Error() != "ended after 0 shutdowns in 1 answers: ctrl-C" {
		t.Error(err)
	}
}

// TestStrange: traces that are no shutdowns, and texts and times that are absurd.
func TestStrange(t *testing.T) {
	evil := &held{kind: "rpc", state: "\x1b[31m", method: strings.Repeat("m", 500), agent: "<b>\u202e"}
	runs := many(3, sec)
	runs[0].phases = []phase{{"\x1b]0;x\a", 200 * 365 * 24 * time.Hour, evil}}
	runs[1].outcome, runs[1].version = "\x1b[0m", "\u202ev"
	runs[2].phases = nil
	for i := range 100 {
		runs[2].phases = append(runs[2].phases, phase{fmt.Sprint("phase ", i), sec, nil})
	}
	f := newFake(t, runs...)
	r := collect(t, f.query(t))
	if r.Counts.All != 3 || r.Counts.Unknown != 1 || len(r.Phases) != maxPhases+1 {
		t.Errorf("%+v, %d phases", r.Counts, len(r.Phases))
	}
	var b bytes.Buffer
	if err := r.WriteText(&b, TextOptions{Top: 9}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(b.String(), "\n") {
		if strings.ContainsAny(line, "\x1b\a\u202e") || utf8.RuneCountInString(line) > textWidth+40 {
			t.Errorf("%q", line)
		}
	}
	odd := many(1, sec)
	odd[0].service = "a b/c\x1b[31mü"
	fodd := newFake(t, odd...)
	q := fodd.query(t)
	q.Service = odd[0].service
	r = collect(t, q)
	b.Reset()
	if err := r.WriteText(&b, TextOptions{Top: 1}); err != nil || r.Counts.All != 1 ||
		!strings.HasPrefix(b.String(), "a b/c�[31mü: 1 shutdown ") {
		t.Errorf("%v, %+v\n%s", err, r.Counts, b.String())
	}
	q = f.query(t)
	q.Service = "grater"
	if r := collect(t, q); r.Counts.All != 0 || len(r.Notes) == 0 ||
		r.Notes[0] != `Jaeger knows no service "grater": it knows greeter, �[31mevil` {
		t.Errorf("%+v", r)
	}
}

// TestManyCulprits: those that held longest are named, the others counted.
func TestManyCulprits(t *testing.T) {
	var runs []*run
	for i := range 30 {
		r := &run{id: fmt.Sprintf("%032x", i+1), service: "greeter", start: noon.Add(-time.Duration(i) * sec), outcome: "graceful"}
		for j := range 100 {
			r.phases = append(r.phases, phase{"conn wait", time.Duration(100*i+j+1) * time.Millisecond,
				&held{kind: "connection", agent: fmt.Sprintf("agent-%d-%d", i, j)}})
		}
		runs = append(runs, r)
	}
	r := collect(t, newFake(t, runs...).query(t))
	if n := len(r.Culprits); n != maxGroups || r.Others == nil || r.Others.Culprits != 3000-maxGroups ||
		r.Others.Shutdowns != 3000-maxGroups {
		t.Fatalf("%d culprits, others %+v", n, r.Others)
	}
	const hint = "--by kind,state,method"
	var b bytes.Buffer
	if err := r.WriteText(&b, TextOptions{Top: 10}); err != nil || !strings.Contains(b.String(), hint) {
		t.Errorf("%v, nothing says how to add up clients:\n%s", err, b.String())
	}
	if c := r.Culprits[0]; c.Client != "agent-29-99" || c.Held.String() != "3.0s" {
		t.Errorf("%+v", c)
	}
}

// TestHeaders: they are sent, gzip is understood, and a proxy's path stays.
func TestHeaders(t *testing.T) {
	f := newFake(t, fleet()...)
	seen := ""
	f.handler = func(w http.ResponseWriter, r *http.Request) {
		if seen = r.Header.Get("Authorization"); !strings.HasPrefix(r.URL.Path, "/prefix/api/v3/") {
			t.Error(r.URL.Path)
		}
		rec := httptest.NewRecorder()
		f.search(rec, r)
		if rec.Code != http.StatusOK {
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(rec.Body.Bytes())
		_ = z.Close()
	}
	q := f.query(t)
	c, err := NewClient(Config{
		URL: f.URL + "/prefix/", Headers: map[string]string{"authorization": "Bearer x"}, Timeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	q.Jaeger = c
	if r := collect(t, q); r.Counts.All != 41 || seen != "Bearer x" {
		t.Errorf("%+v, Authorization %q", r.Counts, seen)
	}
}

// TestBaseURL: what cannot be meant is named, without a password in it.
func TestBaseURL(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "want http://host:port",
		"localhost:16686":       "want http://host:port",
		"ftp://jaeger":          "want http://host:port",
		"http://u:secret@j:1":   "a user or a password",
		"http://j/?key=secret":  "want it without ? and #",
		"http://j/#x":           "want it without ? and #",
		"http://j:16686/a/b///": "",
	} {
		u, err := BaseURL(in)
		if want == "" {
			if err != nil || u.String() != "http://j:16686/a/b" {
				t.Errorf("%q: %v, %v", in, u, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", in, err)
		}
	}
}
