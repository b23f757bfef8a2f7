// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/tracer"
)

func TestConfigured(t *testing.T) {
	for _, test := range []struct {
		env        string // of OTEL_EXPORTER_OTLP_ unless it begins with OTEL_
		set, local bool
	}{
		{"", false, true},
		{"ENDPOINT=", false, true},
		{"ENDPOINT=http://localhost:4317", true, true},
		{"ENDPOINT=http://127.0.0.1:14317/", true, true},
		{"ENDPOINT=https://[::1]:4317", true, true},
		{"ENDPOINT=http://jaeger:4317", true, false},
		{"TRACES_ENDPOINT=http://jaeger:4317", true, false},
		{"TRACES_ENDPOINT=nonsense", true, false},
		{"CERTIFICATE=ca.pem", true, true},
		{"METRICS_ENDPOINT=http://prometheus:4317", false, true},
		{"LOGS_ENDPOINT=http://loki:4317", false, true},
		{"OTEL_TRACES_EXPORTER=none", true, true},
		{"OTEL_SDK_DISABLED=true", true, true},
		{"OTEL_SERVICE_NAME=shop", false, true},
	} {
		t.Run(test.env, func(t *testing.T) {
			key, v, _ := strings.Cut(test.env, "=")
			if !strings.HasPrefix(key, "OTEL_") {
				key = "OTEL_EXPORTER_OTLP_" + key
			}
			t.Setenv(key, v)
			if set, local := configured(); set != test.set || local != test.local {
				t.Errorf("set %v, local %v, want %v, %v", set, local, test.set, test.local)
			}
		})
	}
}

// collector counts the spans it is sent.
type collector struct {
	collectorv1.UnimplementedTraceServiceServer
	spans atomic.Int64
}

func (c *collector) Export(_ context.Context, req *collectorv1.ExportTraceServiceRequest,
) (*collectorv1.ExportTraceServiceResponse, error) {
	for _, r := range req.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			c.spans.Add(int64(len(s.GetSpans())))
		}
	}
	return &collectorv1.ExportTraceServiceResponse{}, nil
}

// A trace that has been taken is linked to, and what was lost is not.
func TestTraceIsLinked(t *testing.T) {
	t.Parallel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, c := grpc.NewServer(), &collector{}
	collectorv1.RegisterTraceServiceServer(s, c)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	defer func() { s.Stop(); <-served }()

	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + lis.Addr().String()
	res := finish(t, gracetrace(t, []string{"OTEL_TRACES_EXPORTER=otlp", endpoint},
		"demo", "--scenario", "short", "--json"))
	var r tracer.Report
	if err := json.Unmarshal([]byte(res.stdout), &r); err != nil {
		t.Fatalf("%v\n%s", err, res.stderr)
	}
	if n := c.spans.Load(); r.Spans.Sent == 0 || int64(r.Spans.Sent) != n {
		t.Errorf("%d spans are said to be sent, %d were", r.Spans.Sent, n)
	}
	if want := localJaegerUI + "/trace/" + r.TraceID + "?uiFind="; !strings.HasPrefix(r.JaegerURL, want) {
		t.Errorf("link %q, want %s...", r.JaegerURL, want)
	}
}

func TestLostTraceIsNotLinked(t *testing.T) {
	t.Parallel()
	endpoint := "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + address.TCP(t)
	res := finish(t, gracetrace(t, []string{"OTEL_TRACES_EXPORTER=otlp", endpoint},
		"demo", "--scenario", "short"))
	if res.code != exitOK || strings.Contains(res.stdout, "jaeger:") ||
		!strings.Contains(res.stderr, "collector unreachable") ||
		!strings.Contains(res.stderr, "docker compose") {
		t.Errorf("exit code %d\n%s\n%s", res.code, res.stdout, res.stderr)
	}
}
