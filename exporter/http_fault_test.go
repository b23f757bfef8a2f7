// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/test/bufconn"
)

// raw answers a request with bytes, and ends the connection when it is done.
func raw(write func(conn net.Conn)) answerFunc {
	return func(w writer, _ *http.Request, _ int) bool {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			defer conn.Close()
			write(conn)
		}
		return true
	}
}

func TestAHostileAnswerIsBounded(t *testing.T) {
	endless := func(head string) func(net.Conn) {
		return func(conn net.Conn) {
			_, err := io.WriteString(conn, head)
			for err == nil {
				_, err = io.WriteString(conn, strings.Repeat("x", 1<<16))
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for _, tt := range []struct {
		name   string
		answer func(net.Conn)
		reason string
		want   string
	}{
		{"endless body", endless(ok + "\r\n"), lostRefused, "more than 64 KiB"},
		{"endless error", endless("HTTP/1.1 400 Bad\r\nContent-Type: text/plain\r\n\r\n"), lostRefused, `400 Bad Request: "xxx`},
		{"endless header", endless(ok + "X: "), lostGone, "exceeded 65536 bytes"},
		{"a lie about the length", func(c net.Conn) {
			_, _ = io.WriteString(c, ok+"Content-Length: 99999999999\r\n\r\n{}")
		}, lostGone, "cut short"},
		{"words of its own", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 418 \x1b[31mred\r\nContent-Length: 0\r\n\r\n")
		}, lostRefused, "418 I'm a teapot"},
		{"nothing", func(net.Conn) {}, lostGone, "EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startHTTP(t, &httpCollector{answer: raw(tt.answer)})
			clean(t, httpEnv(protocolJSON, c.url)...)
			e := mustNew(t, Config{})
			<-e.probed
			e.answered.Store(true)
			s := e.Open()
			s.Emit(span(1, "a"))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			r := s.Flush(ctx)
			wantResult(t, r, 0, map[string]int{tt.reason: 1})
			if msg := fmt.Sprint(r.Err); !strings.Contains(msg, tt.want) || len(msg) > 600 ||
				strings.Contains(msg, "\x1b") {
				t.Errorf("error %.1000q, want %q", msg, tt.want)
			}
		})
	}
}

// The collector may have died after it took the batch: the copies are the same.
func TestAnAnswerCutShortIsAskedForAgain(t *testing.T) {
	cut := raw(func(c net.Conn) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 30\r\n\r\n{\"partial")
	})
	c := startHTTP(t, &httpCollector{answer: func(w writer, r *http.Request, call int) bool {
		return call == 1 && cut(w, r, call)
	}})
	clean(t, httpEnv(protocolJSON, c.url)...)
	e := mustNew(t, Config{})
	<-e.probed
	s := e.Open()
	s.Emit(span(1, "a"))
	wantResult(t, s.Flush(t.Context()), 1, nil)
	if c.calls != 2 || len(c.spans()) != 1 {
		t.Errorf("%d calls, %d spans", c.calls, len(c.spans()))
	}
}

func TestABatchThatIsTooLargeIsSplitOverHTTP(t *testing.T) {
	const limit = 64 << 10
	c := startHTTP(t, &httpCollector{answer: func(w writer, r *http.Request, _ int) bool {
		if r.ContentLength <= limit {
			return false
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return true
	}})
	clean(t, httpEnv(protocolProtobuf, c.url)...)
	s := mustNew(t, Config{}).Open()
	for n := range 200 {
		s.Emit(span(n, strings.Repeat("x", 2<<10)))
	}
	s.Emit(span(200, strings.Repeat("x", limit)))
	wantResult(t, s.Flush(t.Context()), 200, map[string]int{lostExhausted: 1})
	if n := len(c.spans()); n != 200 {
		t.Errorf("%d spans arrived", n)
	}
}

// memory runs f in a bubble with a collector behind a connection in memory, and
// a session that has not sent anything yet.
func memory(t *testing.T, c *httpCollector, f func(t *testing.T, s *Session)) {
	t.Helper()
	clean(t, httpEnv(protocolProtobuf, "http://collector:4318")...)
	synctest.Test(t, func(t *testing.T) {
		c.took, c.conns = make(chan int, 100), make(map[net.Conn]http.ConnState)
		lis := bufconn.Listen(1 << 20)
		srv := &http.Server{Handler: c, ConnState: c.note}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(lis) }()
		e := mustNew(t, Config{dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx)
		}})
		<-e.probed
		s := e.Open()
		f(t, s)
		e.Close()
		_ = srv.Close()
		<-done
	})
}

// The time that each answer costs the exit, to the microsecond.
func TestWhatAnAnswerCostsOverHTTP(t *testing.T) {
	header := func(code int, retryAfter string) answerFunc {
		return func(w writer, _ *http.Request, _ int) bool {
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			w.WriteHeader(code)
			return true
		}
	}
	first := func(n int, answer answerFunc) answerFunc {
		return func(w writer, r *http.Request, call int) bool {
			return call > 0 && call <= n && answer(w, r, call)
		}
	}
	spans := func(answer answerFunc) answerFunc {
		return first(1<<30, answer)
	}
	for _, tt := range []struct {
		name   string
		answer answerFunc
		cost   time.Duration
		calls  int
		lost   map[string]int
	}{
		{"taken", nil, 0, 1, nil},
		{"503, once", first(1, header(503, "")), 0, 2, nil},
		{"503, to be asked in a second", first(1, header(503, "1")), time.Second, 2, nil},
		{"429, to be asked in a second", first(1, header(429, "1")), time.Second, 2, nil},
		{"503 for ever", spans(header(503, "")), 1900 * time.Millisecond, 7, map[string]int{lostGone: 1}},
		{"429 for ever", spans(header(429, "")), 1900 * time.Millisecond, 7,
			map[string]int{lostExhausted: 1}},
		{"503, to be asked in a minute", spans(header(503, "60")), 0, 1,
			map[string]int{lostGone: 1}},
		{"401", spans(header(401, "")), 0, 1, map[string]int{lostRefused: 1}},
		{"slow", first(1, func(writer, *http.Request, int) bool {
			time.Sleep(time.Second)
			return false
		}), time.Second, 1, nil},
		{"mute", spans(func(_ writer, r *http.Request, _ int) bool {
			<-r.Context().Done()
			return true
		}), 1900 * time.Millisecond, 2, map[string]int{lostTimeout: 1}}, // one in each lane
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &httpCollector{answer: tt.answer}
			memory(t, c, func(t *testing.T, s *Session) {
				s.Emit(span(1, "a"))
				synctest.Wait() // The first answer comes before the flush.
				r := flushIn(t, s, tt.cost)
				wantResult(t, r, 1-len(tt.lost), tt.lost)
				c.mu.Lock()
				defer c.mu.Unlock()
				if c.calls != tt.calls {
					t.Errorf("%d calls, want %d", c.calls, tt.calls)
				}
			})
		})
	}
}

func TestMuteTLSOverHTTPIsUnreachable(t *testing.T) {
	clean(t, httpEnv(protocolProtobuf, "https://collector:4318")...)
	synctest.Test(t, func(t *testing.T) {
		lis := bufconn.Listen(1 << 20)
		defer lis.Close()
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }
		e := mustNew(t, Config{dial: dial})
		<-e.probed
		s := e.Open()
		s.Emit(span(1, "a"))
		synctest.Wait()
		r := flushIn(t, s, time.Second) // for the handshake
		wantResult(t, r, 0, map[string]int{lostUnreachable: 1})
		if !strings.Contains(fmt.Sprint(r.Err), "no connection to collector:4318 after 1s") {
			t.Errorf("error %v", r.Err)
		}
	})
}
