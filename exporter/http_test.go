// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/testing/protocmp"
)

// everything is a trace with every field that a span of ours can have.
func everything() []Span {
	root, child, adopted := span(1, "root"), span(2, "ch\u00edld \"quoted\"\n"), span(3, "adopted")
	child.Parent = root.SpanID
	child.ErrorType, child.StatusMessage = "forced", "cut 1 RPC"
	child.Attributes = []attribute.KeyValue{
		attribute.String("text", "a\x00b\u2028<>&"), attribute.Bool("bool", true),
		attribute.Int64("int", 1<<62), attribute.Float64("float", 1.5e-9),
		attribute.StringSlice("list", []string{"a", ""}),
	}
	child.Links = []trace.Link{{
		SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0xab}, SpanID: trace.SpanID{0xcd},
			TraceFlags: trace.FlagsSampled, Remote: true,
		}),
		Attributes: []attribute.KeyValue{attribute.String("why", "env")},
	}}
	adopted.RemoteParent = trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: adopted.TraceID, SpanID: trace.SpanID{7}, Remote: true,
	})
	adopted.Start = adopted.Start.Add(7 * time.Nanosecond)
	return []Span{root, child, adopted}
}

// A backend must not be able to tell the protocols apart: what one sent and
// another sends again has to be the same.
func TestTheSameArrivesByEveryProtocol(t *testing.T) {
	type arrived struct {
		Resource map[string]*commonpb.AnyValue
		Scope    *commonpb.InstrumentationScope
		Schema   string
		Spans    []*tracepb.Span
	}
	send := func(t *testing.T, env []string, traces func() []*tracepb.ResourceSpans) arrived {
		t.Helper()
		clean(t, append(env, "OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=1")...)
		s := mustNew(t, Config{ScopeName: "scope", ScopeVersion: "v1", SchemaURL: "https://example.org/1"}).Open()
		for _, sp := range everything() {
			s.Emit(sp)
		}
		wantResult(t, s.Flush(t.Context()), 3, nil)
		got := arrived{Resource: make(map[string]*commonpb.AnyValue)}
		for _, rs := range traces() {
			for _, kv := range rs.GetResource().GetAttributes() {
				got.Resource[kv.GetKey()] = kv.GetValue()
			}
			for _, ss := range rs.GetScopeSpans() {
				got.Scope, got.Schema = ss.GetScope(), ss.GetSchemaUrl()
				got.Spans = append(got.Spans, ss.GetSpans()...)
			}
		}
		return got
	}
	c := startCollector(t, "", nil)
	want := send(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://" + c.addr, "OTEL_SERVICE_NAME", "s"},
		func() []*tracepb.ResourceSpans { return c.traces })
	if len(want.Spans) != 3 || len(want.Spans[1].GetAttributes()) != 6 {
		t.Fatalf("by gRPC: %v", want.Spans)
	}
	for _, p := range httpProtocols {
		t.Run(string(p), func(t *testing.T) {
			h := startHTTP(t, nil)
			got := send(t, httpEnv(p, h.url), func() []*tracepb.ResourceSpans { return h.traces })
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("by gRPC (-) and by %s (+):\n%s", p, diff)
			}
		})
	}
}

func TestHTTPRequest(t *testing.T) {
	const tracesHeaders, tracesEndpoint = "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	c := startHTTP(t, nil)
	addr := strings.TrimPrefix(c.url, "http://")
	for _, tt := range []struct {
		name string
		env  []string
		uri  string
		want map[string]string // an empty value: there is none
	}{
		{"protobuf", nil, "/v1/traces", map[string]string{
			"Content-Type": typeProtobuf, "Content-Encoding": "", "User-Agent": userAgent,
			"Authorization": "", "Accept-Encoding": "",
		}},
		{"json", []string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"}, "/v1/traces",
			map[string]string{"Content-Type": typeJSON}},
		{"gzip", []string{"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"}, "/v1/traces",
			map[string]string{"Content-Encoding": "gzip"}},
		{"json and gzip", []string{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip",
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"}, "/v1/traces",
			map[string]string{"Content-Type": typeJSON, "Content-Encoding": "gzip"}},
		{"headers", []string{"OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=nobody,x-other=1",
			tracesHeaders, "Authorization=Bearer%20secret , x-tenant = a"}, "/v1/traces",
			map[string]string{"Authorization": "Bearer secret", "X-Tenant": "a", "X-Other": ""}},
		{"what the body is cannot be set", []string{tracesHeaders,
			"content-type=text/plain,content-encoding=br,user-agent=mine,content-length=1"}, "/v1/traces",
			map[string]string{"Content-Type": typeProtobuf, "Content-Encoding": "", "User-Agent": "mine"}},
		{"user and password", []string{tracesEndpoint, "http://me:p%40ss@" + addr + "/in"}, "/in",
			map[string]string{"Authorization": "Basic bWU6cEBzcw=="}},
		{"a header beats them", []string{tracesEndpoint, "http://me:pass@" + addr + "/in",
			tracesHeaders, "authorization=Bearer%20t"}, "/in",
			map[string]string{"Authorization": "Bearer t"}},
		{"as it is", []string{tracesEndpoint, c.url + "/a//b%2Fc/?key=1"}, "/a//b%2Fc/?key=1", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, httpEnv(protocolProtobuf, c.url, tt.env...)...)
			s := mustNew(t, Config{}).Open()
			s.Emit(span(1, "a"))
			wantResult(t, s.Flush(t.Context()), 1, nil)
			r := c.last(t)
			if r.Method != http.MethodPost || r.RequestURI != tt.uri || r.Proto != "HTTP/1.1" {
				t.Errorf("%s %s %s, want POST %s", r.Method, r.RequestURI, r.Proto, tt.uri)
			}
			for key, want := range tt.want {
				if got := r.Header.Get(key); got != want {
					t.Errorf("%s: %q, want %q", key, got, want)
				}
			}
		})
	}
}

func TestHostHeader(t *testing.T) {
	c := startHTTP(t, nil)
	clean(t, httpEnv(protocolProtobuf, c.url, "OTEL_EXPORTER_OTLP_HEADERS", "host=otlp.example.org")...)
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	wantResult(t, s.Flush(t.Context()), 1, nil)
	if got := c.last(t).Host; got != "otlp.example.org" {
		t.Errorf("Host %q", got)
	}
}

func TestABurstIsDeliveredWholeOverHTTP(t *testing.T) {
	// JSON takes forty times as long to make.
	for p, size := range map[protocol]int{protocolProtobuf: 4 << 10, protocolJSON: 10} {
		t.Run(string(p), func(t *testing.T) {
			c := startHTTP(t, nil)
			clean(t, httpEnv(p, c.url)...)
			s := mustNew(t, Config{}).Open()
			for n := range 1900 {
				sp := span(n, "rpc")
				sp.Attributes = []attribute.KeyValue{attribute.String("stack", strings.Repeat("f", size))}
				s.Emit(sp)
			}
			s.Sync(t.Context()) // two seconds are not enough for the race detector
			wantResult(t, s.Flush(t.Context()), 1900, nil)
			ids := make(map[string]bool) // a slow machine gets a second lane, and copies
			for _, sp := range c.spans() {
				ids[string(sp.GetSpanId())] = true
			}
			if len(ids) != 1900 {
				t.Errorf("received %d spans", len(ids))
			}
			if accepted, _ := c.connections(); accepted > 1+lanes { // one is the probe's
				t.Errorf("%d connections for one session", accepted)
			}
		})
	}
}
