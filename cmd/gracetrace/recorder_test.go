// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
	"github.com/gracetrace/gracetrace/tracer"
)

// recorder is a collector that keeps what it is sent, by service, and when.
type recorder struct {
	collectorv1.UnimplementedTraceServiceServer
	endpoint string // as a variable
	delay    time.Duration
	end      func() // waits for what is on its way

	mu    sync.Mutex // guards following
	sent  map[string][]message
	until int           // it answers so many requests more, and one after that not
	stuck chan struct{} // closed when that one has come; nil: it answers all
}

// stall makes the recorder leave a request unanswered, after n that it answers. Later
// ones are answered again. The channel is closed when the request has come.
func (c *recorder) stall(n int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until, c.stuck = n, make(chan struct{})
	return c.stuck
}

// stalls reports whether this is the request to leave unanswered. c.mu must be held.
func (c *recorder) stalls() bool {
	if c.stuck == nil {
		return false
	}
	if c.until--; c.until >= 0 {
		return false
	}
	close(c.stuck)
	c.stuck = nil
	return true
}

// message is what came at once.
type message struct {
	at    time.Time
	spans *tracepb.TracesData
}

// record starts a collector, which takes its time for each answer.
func record(t *testing.T, delay time.Duration) *recorder {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &recorder{
		endpoint: "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + lis.Addr().String(),
		delay:    delay, sent: make(map[string][]message),
	}
	s := grpc.NewServer()
	collectorv1.RegisterTraceServiceServer(s, c)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	c.end = sync.OnceFunc(func() { s.GracefulStop(); <-served })
	t.Cleanup(c.end)
	return c
}

// Export implements collectorv1.TraceServiceServer.
func (c *recorder) Export(ctx context.Context, req *collectorv1.ExportTraceServiceRequest,
) (*collectorv1.ExportTraceServiceResponse, error) {
	at := time.Now()
	c.mu.Lock()
	for _, rs := range req.GetResourceSpans() {
		name := serviceOf(rs.GetResource().GetAttributes())
		c.sent[name] = append(c.sent[name],
			message{at, &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{rs}}})
	}
	stalls := len(req.GetResourceSpans()) > 0 && c.stalls() // else it is a probe
	c.mu.Unlock()
	if stalls {
		<-ctx.Done() // the sender's end
		return nil, ctx.Err()
	}
	select {
	case <-time.After(c.delay):
	case <-ctx.Done():
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

func serviceOf(attrs []*commonpb.KeyValue) string {
	for _, kv := range attrs {
		if kv.GetKey() == "service.name" {
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// of is what came of a service.
func (c *recorder) of(service string) []message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent[service]
}

// arrived is when the first span came whose name begins so; zero: none did.
func arrived(all []message, name string) (at time.Time) {
	for _, m := range all {
		otlpjson.Each(m.spans, func(_ *tracepb.ResourceSpans, _ *tracepb.ScopeSpans, s *tracepb.Span) {
			if at.IsZero() && strings.HasPrefix(s.GetName(), name) {
				at = m.at
			}
		})
	}
	return at
}

// reported is what gracetrace report says of what came.
func reported(t *testing.T, all []message) *tracer.Report {
	t.Helper()
	var lines []byte
	for _, m := range all {
		line, err := otlpjson.Line(m.spans)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line...)
	}
	path := filepath.Join(t.TempDir(), "collected.json")
	if err := os.WriteFile(path, lines, 0o600); err != nil {
		t.Fatal(err)
	}
	r := finish(t, gracetrace(t, nil, "report", "--json", "--silence", "1ms", path))
	if r.code != exitOK {
		t.Fatalf("exit code %d: %s", r.code, r.stderr)
	}
	reports, err := tracer.ReadReports(strings.NewReader(r.stdout))
	if err != nil || len(reports) != 1 {
		t.Fatalf("%d reports, %v:\n%s", len(reports), err, r.stdout)
	}
	return reports[0]
}
