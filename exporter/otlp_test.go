// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/internal/address"
)

func values(kvs []*commonpb.KeyValue) map[string]string {
	m := make(map[string]string)
	for _, kv := range kvs {
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			m[kv.Key] = fmt.Sprint(v.IntValue)
		}
	}
	return m
}

func TestWhatIsEmittedArrives(t *testing.T) {
	c := startCollector(t, "", nil)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr,
		"OTEL_SERVICE_NAME", "greeter",
		"OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p%201,service.instance.id=mine",
		"OTEL_TRACES_SAMPLER", "always_off",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0", "OTEL_SPAN_LINK_COUNT_LIMIT", "0",
		"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1")
	e := mustNew(t, Config{
		Resource:  resource.NewSchemaless(attribute.String("team", "core")),
		ScopeName: "scope", ScopeVersion: "v1", SchemaURL: "https://example.org/1",
	})
	s := e.Open()
	root := span(1, "root")
	child := span(2, "child")
	child.Parent = root.SpanID
	child.Attributes = []attribute.KeyValue{attribute.String("peer", "10.0.0.1")}
	child.ErrorType, child.StatusMessage = "forced", "cut"
	other := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{9}, SpanID: trace.SpanID{9}})
	child.Links = []trace.Link{{SpanContext: other}}
	adopted := span(3, "adopted")
	adopted.RemoteParent = trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: adopted.TraceID, SpanID: trace.SpanID{7},
	})
	stranger := span(4, "stranger")
	stranger.RemoteParent = other
	for _, sp := range []Span{root, child, adopted, stranger} {
		s.Emit(sp)
	}
	wantResult(t, s.Flush(t.Context()), 4, nil)

	type got struct {
		Name, TraceID, ID, Parent string
		Attrs                     map[string]string
		Links                     int
		Error, Message            string
		Kind                      tracepb.Span_SpanKind
		Micros                    uint64
	}
	var spans []got
	for _, sp := range c.spans() {
		g := got{
			Name: sp.Name, TraceID: fmt.Sprintf("%x", sp.TraceId[:1]), ID: fmt.Sprintf("%x", sp.SpanId),
			Parent: fmt.Sprintf("%x", sp.ParentSpanId), Attrs: values(sp.Attributes),
			Links: len(sp.Links), Kind: sp.Kind,
			Micros: (sp.EndTimeUnixNano - sp.StartTimeUnixNano) / 1000,
		}
		if sp.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR {
			g.Error, g.Message = "error", sp.Status.Message
		}
		spans = append(spans, g)
	}
	base := got{TraceID: "01", Kind: tracepb.Span_SPAN_KIND_INTERNAL, Micros: 1e6, Attrs: map[string]string{}}
	want := make([]got, 4)
	for i, name := range []string{"root", "child", "adopted", "stranger"} {
		want[i] = base
		want[i].Name, want[i].ID = name, fmt.Sprintf("00%02x010000000000", i+1)
	}
	want[1].Parent, want[1].Links = "0001010000000000", 1
	want[1].Attrs = map[string]string{"peer": "10.0.0.1", "error.type": "forced"}
	want[1].Error, want[1].Message = "error", "cut"
	want[2].Parent = "0700000000000000"
	if diff := cmp.Diff(want, spans); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}

	rs := c.traces[0]
	scope := rs.ScopeSpans[0]
	if scope.Scope.Name != "scope" || scope.Scope.Version != "v1" ||
		scope.SchemaUrl != "https://example.org/1" {
		t.Errorf("scope %v, schema %q", scope.Scope, scope.SchemaUrl)
	}
	res := values(rs.Resource.Attributes)
	for _, key := range []string{"host.name", "process.pid", "telemetry.sdk.version"} {
		if res[key] == "" {
			t.Errorf("resource has no %s", key)
		}
		delete(res, key)
	}
	wantRes := map[string]string{
		"service.name": "greeter", "service.instance.id": "mine", "k8s.pod.name": "p 1",
		"team": "core", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "go",
	}
	if diff := cmp.Diff(wantRes, res); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

func TestHeadersAndCompression(t *testing.T) {
	c := startCollector(t, "", nil)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr,
		"OTEL_EXPORTER_OTLP_HEADERS", "X-Tenant=nobody",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "Authorization=Bearer%20secret , x-tenant = a",
		"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	wantResult(t, s.Flush(t.Context()), 1, nil)
	for key, want := range map[string]string{
		"authorization": "Bearer secret", "x-tenant": "a",
	} {
		if diff := cmp.Diff([]string{want}, c.header(key)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
}

func TestABurstIsDeliveredWhole(t *testing.T) {
	c := startCollector(t, "", nil)
	clean(t, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://"+c.addr)
	s := mustNew(t, Config{}).Open()
	for n := range 1900 {
		sp := span(n, "rpc")
		sp.Attributes = []attribute.KeyValue{attribute.String("stack", strings.Repeat("f", 4<<10))}
		s.Emit(sp) // 7.6 MiB in all: more than a collector takes at once
	}
	s.Sync(t.Context()) // a slow machine may need longer than a flush
	wantResult(t, s.Flush(t.Context()), 1900, nil)
	if n := len(c.spans()); n != 1900 {
		t.Errorf("received %d spans", n)
	}
}

func TestRefusedConnectionAddsNoDelay(t *testing.T) {
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address.TCP(t))
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	s.Emit(span(2, "b"))
	start := time.Now()
	r := s.Flush(t.Context())
	if took := time.Since(start); took >= flushLimit {
		t.Errorf("Flush took %v without a collector", took)
	}
	wantResult(t, r, 0, map[string]int{lostUnreachable: 2})
	if !strings.Contains(fmt.Sprint(r.Err), "refused") {
		t.Errorf("error %v does not say that the connection was refused", r.Err)
	}
}

// The connection's own backoff must not hide a collector that has just come.
func TestRedialAsksTheNetworkAtOnce(t *testing.T) {
	addr := address.TCP(t)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
	exp, err := otlpFactory(nil)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer safeShutdown(exp)
	if err := exp.(pinger).ping(t.Context()); status.Code(err) != codes.Unavailable {
		t.Fatalf("first attempt: %v", err)
	}
	startCollector(t, addr, nil)
	if err := exp.(connector).redial(); err != nil {
		t.Fatal(err)
	}
	if err := exp.(pinger).ping(t.Context()); err != nil {
		t.Errorf("after redial: %v", err)
	}
}

// A frozen sidecar, or a path that was cut without a word: a retry on the same
// connection would wait for nothing, again and again.
func TestAConnectionThatDoesNotAnswerIsReplaced(t *testing.T) {
	var mu sync.Mutex
	var first net.Addr
	c := startCollector(t, "", &collector{
		answer: func(ctx context.Context, req *request) (*response, error) {
			spans := flatten(req.ResourceSpans)
			if len(spans) == 0 {
				return nil, nil
			}
			p, _ := peer.FromContext(ctx)
			mu.Lock()
			if first == nil {
				first = p.Addr
			}
			frozen := first.String() == p.Addr.String() && spans[0].Name == "second"
			mu.Unlock()
			if frozen {
				<-ctx.Done()
			}
			return nil, ctx.Err()
		},
	})
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr, "OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "first"))
	<-c.took
	s.Emit(span(2, "second"))
	wantResult(t, s.Flush(t.Context()), 2, nil)
}

func TestMuteCollectorCostsNoMoreThanTheContextAllows(t *testing.T) {
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+muteAddr(t))
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	r := s.Flush(ctx)
	if took := time.Since(start); took >= flushLimit {
		t.Errorf("Flush took %v with 300ms to spend", took)
	}
	wantResult(t, r, 0, map[string]int{lostTimeout: 1})
}

func TestCollectorThatRestartsGetsTheRest(t *testing.T) {
	c := startCollector(t, "", nil)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr)
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "before"))
	s.Sync(t.Context()) // nobody waits for a collector that has never answered
	c.srv.Stop()
	s.Emit(span(2, "while it is away"))
	again := startCollector(t, c.addr, nil)
	s.Emit(span(3, "after"))
	r := s.Flush(t.Context())
	wantResult(t, r, 3, nil)
	var names []string
	for _, sp := range again.spans() {
		names = append(names, sp.Name)
	}
	if got := strings.Join(names, ", "); got != "while it is away, after" {
		t.Errorf("the new collector has %q", got)
	}
	if r.GoneAt != 0 {
		t.Errorf("gone at %v, but it came back", r.GoneAt)
	}
}

func TestCollectorThatDiesMidExportIsSaid(t *testing.T) {
	c := &collector{}
	c.answer = func(_ context.Context, req *request) (*response, error) {
		if sp := flatten(req.ResourceSpans); len(sp) > 0 && sp[0].Name == "last" {
			go c.srv.Stop()
			return nil, status.Error(codes.Unavailable, "shutting down")
		}
		return nil, nil
	}
	startCollector(t, "", c)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr)
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "first"))
	<-c.took
	s.Emit(span(2, "last"))
	awaitFailure(t, s, "Unavailable")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r := s.Flush(ctx)
	wantResult(t, r, 1, map[string]int{lostGone: 1})
	if r.GoneAt <= 0 {
		t.Error("the result does not say when the collector went away")
	}
}

func TestStatusesOfARealCollector(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		reason string
	}{
		{"larger than it takes", status.Error(codes.ResourceExhausted, "max"), lostExhausted},
		{"no token", status.Error(codes.Unauthenticated, "who are you"), lostRefused},
		{"bad data", status.Error(codes.InvalidArgument, "no"), lostRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := startCollector(t, "", &collector{
				answer: func(context.Context, *request) (*response, error) { return nil, tt.err },
			})
			clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr)
			s := mustNew(t, Config{}).Open()
			s.Emit(span(1, "a"))
			r := s.Flush(t.Context())
			wantResult(t, r, 0, map[string]int{tt.reason: 1})
			if want := status.Convert(tt.err).Message(); !strings.Contains(fmt.Sprint(r.Err), want) {
				t.Errorf("error %v does not say %q", r.Err, want)
			}
		})
	}
}

func TestPartialSuccessIsCountedAndNotPrinted(t *testing.T) {
	printed := catchOTel(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	c := startCollector(t, "", &collector{
		answer: func(_ context.Context, req *request) (*response, error) {
			switch n := len(flatten(req.ResourceSpans)); n {
			case 0:
				return nil, nil
			case 1:
				close(arrived)
				<-release
				return nil, nil
			default:
				return &response{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
					RejectedSpans: int64(n - 1), ErrorMessage: "too old",
				}}, nil
			}
		},
	})
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr)
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	<-arrived
	for n := range 3 {
		s.Emit(span(n+2, "b"))
	}
	close(release)
	r := s.Flush(t.Context())
	wantResult(t, r, 2, map[string]int{lostRejected: 2})
	if !strings.Contains(fmt.Sprint(r.Err), "too old") {
		t.Errorf("error %v does not say what the collector said", r.Err)
	}
	if got := printed(); got != "" {
		t.Errorf("otel printed %q", got)
	}
}

// catchOTel returns what otel's global error handler was given.
func catchOTel(t *testing.T) func() string {
	t.Helper()
	var l logs
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { fmt.Fprintln(&l, err) }))
	return l.String
}

func TestTheGlobalProviderIsLeftAlone(t *testing.T) {
	printed := catchOTel(t)
	before := otel.GetTracerProvider()
	c := startCollector(t, "", nil)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr, "OTEL_TRACES_SAMPLER", "always_off")
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	wantResult(t, s.Flush(t.Context()), 1, nil)
	if otel.GetTracerProvider() != before {
		t.Error("the global provider was replaced")
	}
	if got := printed(); got != "" {
		t.Errorf("otel printed %q", got)
	}
}

func TestProbeSaysOnceWhetherACollectorIsThere(t *testing.T) {
	refuse := func(code codes.Code) *collector {
		return &collector{answer: func(context.Context, *request) (*response, error) {
			return nil, status.Error(code, "no")
		}}
	}
	ready := startCollector(t, "", nil)
	for _, tt := range []struct {
		name, addr, want string
		answered         bool
	}{
		{"there", ready.addr, "INFO msg=\"trace export ready\"", true},
		{"refused", address.TCP(t), "WARN msg=\"trace export not reachable\"", false},
		{"token", startCollector(t, "", refuse(codes.Unauthenticated)).addr,
			"WARN msg=\"trace export refused\"", true},
		{"finds an empty batch invalid", startCollector(t, "", refuse(codes.InvalidArgument)).addr,
			"INFO msg=\"trace export ready\"", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+tt.addr, "OTEL_SERVICE_NAME", "s")
			var l logs
			e := mustNew(t, Config{Logger: l.logger()})
			<-e.probed
			if l.count(tt.want) != 1 || l.count("\n") != 1 || l.count("endpoint=http://"+tt.addr) != 1 {
				t.Errorf("log:\n%swant one line with %s", l.String(), tt.want)
			}
			if e.answered.Load() != tt.answered {
				t.Errorf("answered: %t", !tt.answered)
			}
		})
	}
	if ready.empty != 1 || len(ready.spans()) != 0 {
		t.Errorf("the probe sent %d empty requests and %d spans", ready.empty, len(ready.spans()))
	}
}

func TestProbeIsStoppedByOpenAndClose(t *testing.T) {
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+muteAddr(t), "OTEL_SERVICE_NAME", "s")
	for name, stop := range map[string]func(*Exporter){
		"Open":  func(e *Exporter) { e.Open().Flush(t.Context()) },
		"Close": func(e *Exporter) { e.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			var l logs
			e := mustNew(t, Config{Logger: l.logger()})
			start := time.Now()
			stop(e)
			<-e.probed
			if took := time.Since(start); took >= probeLimit {
				t.Errorf("took %v", took)
			}
			if got := l.String(); got != "" {
				t.Errorf("log:\n%s", got)
			}
		})
	}
}

func TestCollectorThatAnsweredTheProbeIsWaitedFor(t *testing.T) {
	c := startCollector(t, "", nil)
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+c.addr)
	e := mustNew(t, Config{})
	<-e.probed
	c.srv.Stop()
	s := e.Open()
	s.Emit(span(1, "a"))
	awaitFailure(t, s, "Unavailable")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r := s.Flush(ctx)
	wantResult(t, r, 0, map[string]int{lostGone: 1})
	if r.GoneAt <= 0 {
		t.Error("the result does not say that the collector went away")
	}
}

func TestEveryFormOfEndpointConnects(t *testing.T) {
	lis, err := net.Listen("unix", address.Unix(t, "otlp.sock"))
	if err != nil {
		t.Fatal(err)
	}
	unix := &collector{}
	unix.serve(t, lis)
	_, port, _ := net.SplitHostPort(startCollector(t, "", nil).addr)
	for _, env := range [][]string{
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "unix://" + lis.Addr().String()},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "unix:" + lis.Addr().String()},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", " HTTP://127.0.0.1:" + port + "/v1/traces "},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@127.0.0.1:" + port},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:" + port, "OTEL_EXPORTER_OTLP_INSECURE", "true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "dns:///localhost:" + port,
			"OTEL_EXPORTER_OTLP_TRACES_INSECURE", "TRUE"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1",
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:" + port},
	} {
		t.Run(env[1], func(t *testing.T) {
			clean(t, env...)
			s := mustNew(t, Config{}).Open()
			s.Emit(span(1, "a"))
			wantResult(t, s.Flush(t.Context()), 1, nil)
		})
	}
}
