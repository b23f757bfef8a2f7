// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func marshal(t *testing.T, m proto.Message) string {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Every answer that a request may get, and what is made of it. (OTLP
// specification, OTLP/HTTP Response.)
func TestHTTPAnswers(t *testing.T) {
	partial := marshal(t, &response{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
		RejectedSpans: 4, ErrorMessage: "too old",
	}})
	warning := marshal(t, &response{
		PartialSuccess: &coltracepb.ExportTracePartialSuccess{ErrorMessage: "hm"},
	})
	refused := marshal(t, status.New(codes.InvalidArgument, "bad\x1b[31m data").Proto())
	lost := func(f fate, reason string) outcome { return outcome{fate: f, reason: reason} }
	sent, final := outcome{fate: fateSent}, lost(fateFailed, lostRefused)
	barred := outcome{fate: fateFailed, reason: lostRefused, barred: true}
	later := lost(fateUnreachable, "")
	const html = "<html>\n<title>Welcome to nginx!</title>"
	for _, tt := range []struct {
		name   string
		status int
		kind   string
		body   string
		want   outcome
		text   string
	}{
		{"taken", 200, typeProtobuf, "", sent, ""},
		{"taken, JSON", 200, "application/json; charset=utf-8", "{}", sent, ""},
		{"taken, without a word", 204, "", "", sent, ""},
		{"taken, in words of its own", 202, typeJSON, `{"status":"ok","n":[1]}`, sent, ""},
		{"taken with a warning", 200, typeProtobuf, warning, sent, ""},
		{"partial", 200, typeProtobuf, partial,
			outcome{fate: fateSent, reason: lostRejected, rejected: 4}, "too old"},
		{"partial, JSON", 200, typeJSON, `{"partialSuccess":{"rejectedSpans":"4","errorMessage":"too old"}}`,
			outcome{fate: fateSent, reason: lostRejected, rejected: 4}, "too old"},
		{"partial, a number", 200, typeJSON, `{"partialSuccess":{"rejectedSpans":4}}`,
			outcome{fate: fateSent, reason: lostRejected, rejected: 4}, ""},
		{"a web server", 200, "text/html", html, barred, `not an OTLP answer: with "text/html", "<html> <title>Welcome`},
		{"no type", 200, "", "ok", barred, `with "no Content-Type", "ok"`},
		{"broken protobuf", 200, typeProtobuf, "\x0a\xff", barred, "not an OTLP answer"},
		{"broken JSON", 200, typeJSON, "{", barred, "not an OTLP answer"},
		{"too long", 200, typeJSON, strings.Repeat(" ", maxAnswer) + "{}", barred, "more than 64 KiB"},
		{"bad data", 400, typeProtobuf, refused, final, "400 Bad Request: \"bad\uFFFD[31m data\""},
		{"bad data, JSON", 400, typeJSON, `{"code":3,"message":"bad\u0007 data","details":[{"@type":"x"}]}`, final,
			"400 Bad Request: \"bad\uFFFD data\""},
		{"JSON of its own", 403, typeJSON, `{"error":"quota"}`, barred, `403 Forbidden: "{\"error\":\"quota\"}"`},
		{"no token", 401, "text/plain; charset=utf-8", "who are\nyou?\n", barred, `401 Unauthorized: "who are you?"`},
		{"nobody", 404, "text/html", html, barred, "404 Not Found: \"<html> <title>"},
		{"a status of its own", 599, "", "", barred, "599"},
		{"an image", 500, "image/png", "\x89PNG", final, "500 Internal Server Error"},
		{"long words", 400, "text/plain", strings.Repeat("x", 5000), final, strings.Repeat("x", 200) + `…"`},
		{"a lie", 400, "text/plain", "OTLP partial success: no (1 spans rejected)", final, "400"},
		{"too large", 413, "", "", lost(fateTooLarge, lostExhausted), "413 Request Entity Too Large"},
		{"too much", 429, "", "", lost(fateThrottled, ""), "429"},
		{"gateway", 502, "text/html", html, later, "502 Bad Gateway"},
		{"not now", 503, "", "", later, "503 Service Unavailable"},
		{"too slow", 504, "", "", later, "504 Gateway Timeout"},
		{"not implemented", 501, "", "", barred, "501 Not Implemented"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			rec.Header().Set("Content-Type", tt.kind)
			rec.WriteHeader(tt.status)
			_, _ = io.WriteString(rec, tt.body)
			resp := rec.Result()
			resp.Request = httptest.NewRequest(http.MethodPost, "/", nil)
			err := readAnswer(resp)
			if err != nil {
				err = fmt.Errorf("POST: %w", err)
			}
			got := classify(err, 10)
			if !strings.Contains(fmt.Sprint(err), tt.text) || err != nil && len(err.Error()) > 1000 {
				t.Errorf("error %.2000q, want %q", err, tt.text)
			}
			if got.err = nil; got != tt.want {
				t.Errorf("outcome %+v, want %+v, of %v", got, tt.want, err)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for v, want := range map[string]time.Duration{
		"": 0, "0": 0, "3": 3 * time.Second, "-3": 0, "1.5": 0, "soon": 0,
		"7200":                          maxRetryAfter,
		"18446744073709551615":          maxRetryAfter,
		"Fri, 02 Jan 2026 03:04:07 GMT": 2 * time.Second,
		"Fri, 02 Jan 2026 03:04:03 GMT": 0,
		"Fri, 02 Jan 3026 03:04:03 GMT": maxRetryAfter,
	} {
		if got := parseRetryAfter(v, now); got != want {
			t.Errorf("%q: %v, want %v", v, got, want)
		}
	}
	for _, code := range []int{429, 502, 503, 504} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Retry-After", "2")
		rec.WriteHeader(code)
		if got := classify(readAnswer(rec.Result()), 1); got.retryAfter != 2*time.Second || !got.transient() {
			t.Errorf("%d: %+v", code, got)
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	other := startHTTP(t, nil)
	for _, code := range []int{301, 302, 307, 308} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			c := startHTTP(t, &httpCollector{answer: func(w writer, r *http.Request, _ int) bool {
				http.Redirect(w, r, strings.Replace(other.url, "//", "//me:secret@", 1)+"/v1/traces", code)
				return true
			}})
			clean(t, httpEnv(protocolProtobuf, c.url, "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken")...)
			s := mustNew(t, Config{}).Open()
			s.Emit(span(1, "a"))
			r := s.Flush(t.Context())
			wantResult(t, r, 0, map[string]int{lostRefused: 1})
			msg := fmt.Sprint(r.Err)
			if !strings.Contains(msg, "redirects are not followed") || !strings.Contains(msg, "xxxxx@127.0.0.1") ||
				strings.Contains(msg, "secret") {
				t.Errorf("error %q", msg)
			}
		})
	}
	if len(other.requests) != 0 {
		t.Errorf("%d requests went where we were not told to send them", len(other.requests))
	}
}

func TestWrongTokenIsSaidAtTheStart(t *testing.T) {
	for code, want := range map[int]string{
		http.StatusUnauthorized: "WARN msg=\"trace export refused\"",
		http.StatusForbidden:    "WARN msg=\"trace export refused\"",
		http.StatusNotFound:     "WARN msg=\"trace export refused\"",
		http.StatusOK:           "WARN msg=\"trace export refused\"", // of a web server
		http.StatusBadRequest:   "WARN msg=\"trace export refused\"",
		http.StatusNoContent:    "INFO msg=\"trace export ready\"",
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			c := startHTTP(t, &httpCollector{answer: func(w writer, r *http.Request, _ int) bool {
				w.Header().Set("Content-Type", "text/plain")
				w.WriteHeader(code)
				fmt.Fprintf(w, "what is %s?", r.Header.Get("Authorization"))
				return true
			}})
			clean(t, httpEnv(protocolJSON, c.url, "OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken")...)
			var l logs
			e := mustNew(t, Config{Logger: l.logger()})
			<-e.probed
			if l.count(want) != 1 || l.count("\n") != 1 || l.count("endpoint="+c.url+"/v1/traces") != 1 ||
				l.count("t0ken") != 0 {
				t.Errorf("log:\n%swant one line with %s", l.String(), want)
			}
			if !e.answered.Load() || c.empty != 1 {
				t.Errorf("answered %t, %d empty requests", e.answered.Load(), c.empty)
			}
		})
	}
}

// An empty batch is bad data to some collectors, and to no others is it that.
func TestAnEmptyBatchMayBeBadDataOverHTTP(t *testing.T) {
	c := startHTTP(t, &httpCollector{answer: func(w writer, r *http.Request, _ int) bool {
		w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusBadRequest)
		return true
	}})
	clean(t, httpEnv(protocolJSON, c.url)...)
	var l logs
	e := mustNew(t, Config{Logger: l.logger()})
	if <-e.probed; l.count("trace export ready") != 1 {
		t.Errorf("log:\n%s", l.String())
	}
}

func TestPartialSuccessIsCountedOverHTTP(t *testing.T) {
	for _, p := range httpProtocols {
		t.Run(string(p), func(t *testing.T) {
			printed := catchOTel(t)
			c := startHTTP(t, &httpCollector{answer: func(w writer, _ *http.Request, _ int) bool {
				msg := &response{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
					RejectedSpans: 1, ErrorMessage: "too old",
				}}
				if w.Header().Set("Content-Type", typeProtobuf); p == protocolJSON {
					w.Header().Set("Content-Type", typeJSON)
					_, _ = io.WriteString(w, `{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}`)
					return true
				}
				_, _ = io.WriteString(w, marshal(t, msg))
				return true
			}})
			clean(t, httpEnv(p, c.url)...)
			s := mustNew(t, Config{}).Open()
			s.Emit(span(1, "a"))
			r := s.Flush(t.Context())
			wantResult(t, r, 0, map[string]int{lostRejected: 1})
			if !strings.Contains(fmt.Sprint(r.Err), "too old") || printed() != "" {
				t.Errorf("error %v, otel printed %q", r.Err, printed())
			}
		})
	}
}
