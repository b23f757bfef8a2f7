// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/tracer"
)

// httpSink is a collector behind a proxy, both in one: it takes what is for
// collector.example, a name that nobody resolves.
type httpSink struct {
	mu    sync.Mutex
	lines []string // each request's first
	spans []*tracepb.TracesData
}

func (o *httpSink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	td := new(tracepb.TracesData)
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if strings.HasSuffix(r.Header.Get("Content-Type"), "json") {
		td, _ = otlpjson.Parse(body) // an empty one is the probe's
		fmt.Fprint(w, "{}")
	} else if err := proto.Unmarshal(body, td); err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lines = append(o.lines, r.Method+" "+r.RequestURI+" "+r.Header.Get("Content-Type"))
	o.spans = append(o.spans, td)
}

func (o *httpSink) count() (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, td := range o.spans {
		otlpjson.Each(td, func(*tracepb.ResourceSpans, *tracepb.ScopeSpans, *tracepb.Span) { n++ })
	}
	return n
}

// The variables are read in a process of its own: net/http reads those of the
// proxy once.
func TestOverHTTPAndAProxy(t *testing.T) {
	t.Parallel()
	for protocol, content := range map[string]string{
		"http/protobuf": "application/x-protobuf", "http/json": "application/json",
	} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			o := &httpSink{}
			srv := httptest.NewServer(o)
			defer srv.Close()
			env := []string{
				"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol,
				"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector.example:4318", "HTTP_PROXY=" + srv.URL,
			}
			res := finish(t, gracetrace(t, env, "demo", "--scenario", "short", "--json"))
			var r tracer.Report
			if err := json.Unmarshal([]byte(res.stdout), &r); err != nil {
				t.Fatalf("%v\n%s", err, res.stderr)
			}
			if n := o.count(); r.Spans.Sent == 0 || r.Spans.Sent != n {
				t.Errorf("%d spans are said to be sent, %d were\n%s", r.Spans.Sent, n, res.stderr)
			}
			want := "POST http://collector.example:4318/v1/traces " + content
			for _, line := range o.lines {
				if line != want {
					t.Errorf("got %q, want %q", line, want)
				}
			}
		})
	}
}

// What a killed process left is sent over HTTP, too, field by field what it was.
func TestRecoverOverHTTP(t *testing.T) {
	t.Parallel()
	o := &httpSink{}
	srv := httptest.NewServer(o)
	defer srv.Close()
	var log strings.Builder
	before := 0
	for _, td := range heldRun(t) {
		line, err := otlpjson.Line(td)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(line)
		otlpjson.Each(td, func(*tracepb.ResourceSpans, *tracepb.ScopeSpans, *tracepb.Span) { before++ })
	}
	cmd := gracetrace(t, []string{
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=" + srv.URL + "/in",
	}, "recover", "-")
	cmd.Stdin = strings.NewReader(log.String())
	res := finish(t, cmd)
	n := o.count()
	if res.code != exitOK || n < before || !strings.Contains(res.stdout, fmt.Sprint(n, " spans sent")) {
		t.Errorf("exit code %d, %d spans arrived of %d:\n%s%s", res.code, n, before, res.stdout, res.stderr)
	}
	if last := o.lines[len(o.lines)-1]; last != "POST /in application/json" {
		t.Errorf("got %q", last)
	}
}
