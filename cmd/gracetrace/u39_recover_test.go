// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/testing/protocmp"
)

// envKills is how often TestU39RecoverAfterKill kills: 100 to be sure, by default 20.
const envKills = "GRACETRACE_TEST_KILLS"

func kills(t *testing.T) int {
	t.Helper()
	v := os.Getenv(envKills)
	if v == "" {
		return 20
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("%s=%q", envKills, v)
	}
	return n
}

// keeping is a collector that keeps what it is sent.
func keeping(t *testing.T) (endpoint string, e *emitted) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, e := grpc.NewServer(), &emitted{}
	collectorv1.RegisterTraceServiceServer(s, &keeper{emitted: e})
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() { s.Stop(); <-served })
	return "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + lis.Addr().String(), e
}

type keeper struct {
	collectorv1.UnimplementedTraceServiceServer
	*emitted
}

func (k *keeper) Export(ctx context.Context, req *collectorv1.ExportTraceServiceRequest,
) (*collectorv1.ExportTraceServiceResponse, error) {
	return &collectorv1.ExportTraceServiceResponse{}, k.UploadTraces(ctx, req.GetResourceSpans())
}

// traces are the spans of each trace, one of each id: Jaeger merges copies that
// are the same, and only those.
func (e *emitted) traces(t *testing.T) map[string][]*tracepb.Span {
	t.Helper()
	byTrace := make(map[string][]*tracepb.Span)
	byID := make(map[string]*tracepb.Span)
	for _, s := range e.all() {
		trace, id := string(s.GetTraceId()), string(s.GetSpanId())
		if before := byID[id]; before == nil {
			byID[id] = s
			byTrace[trace] = append(byTrace[trace], s)
		} else if diff := cmp.Diff(before, s, protocmp.Transform()); diff != "" {
			t.Errorf("%s was sent twice, and not the same:\n%s", s.GetName(), diff)
		}
	}
	return byTrace
}

// TestU39RecoverAfterKill: servers that are killed at random moments of their stop,
// some with a collector and some without one. The next start sends what they could
// not: of each run one whole trace that says how it ended, and why.
func TestU39RecoverAfterKill(t *testing.T) {
	t.Parallel()
	endpoint, collector := keeping(t)
	nowhere := "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"
	dir := filepath.Join(t.TempDir(), "spool")
	var wg sync.WaitGroup
	few := make(chan struct{}, 4) // at once
	runs, early := kills(t), 0
	for n := range runs {
		to := []string{endpoint, nowhere}[n%2]
		after := time.Duration(rand.Int64N(int64(5 * time.Second)))
		if after < tooEarly {
			early++
		}
		wg.Go(func() {
			few <- struct{}{}
			defer func() { <-few }()
			killed(t, to, dir, after)
		})
	}
	wg.Wait()
	recoverByStart(t, endpoint, dir)
	if got := filesIn(t, dir); len(got) > 0 {
		t.Errorf("left in the spool: %v", got)
	}
	all := collector.traces(t)
	if len(all) > runs || len(all) < runs-early {
		t.Errorf("%d traces of %d runs, of which %d may not have begun to stop", len(all), runs, early)
	}
	outcomes := make(map[string]int)
	for _, spans := range all {
		whole(t, spans)
		outcomes[outcomeOf(t, spans)]++
	}
	t.Logf("%d runs: %v", runs, outcomes)
	if outcomes["killed"] < runs/3 || outcomes["killed"]+outcomes["forced"] != len(all) {
		t.Errorf("outcomes: %v", outcomes)
	}
}

// tooEarly is when a busy machine may not have begun the stop that it was told of.
const tooEarly = time.Second

// killed runs a demo that stops itself, and kills it in the middle of that.
func killed(t *testing.T, to, dir string, after time.Duration) {
	t.Helper()
	cmd := gracetrace(t, []string{"OTEL_TRACES_EXPORTER=otlp", to, "GRACETRACE_SPOOL_DIR=" + dir},
		"demo", "--scenario", "all", "--grace", "4s")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Error(err)
		return
	}
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	lines := make(chan string, 1000)
	go (&running{lines: lines}).read(stderr)
	for line := range lines {
		if strings.Contains(line, "sends itself SIGTERM") {
			break
		}
	}
	select {
	case <-time.After(after):
	case <-t.Context().Done():
	}
	_ = cmd.Process.Kill()
	for range lines { // until it is gone
	}
	_ = cmd.Wait()
}

// recoverByStart starts a server, and kills it when the spool is empty.
func recoverByStart(t *testing.T, to, dir string) {
	t.Helper()
	r := start(t, gracetrace(t, []string{"OTEL_TRACES_EXPORTER=otlp", to, "GRACETRACE_SPOOL_DIR=" + dir},
		"serve", "--addr", "127.0.0.1:0"))
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if len(filesIn(t, dir)) == 0 || t.Context().Err() != nil {
			break
		}
	}
	r.signal(t, os.Kill)
	r.wait(t)
}

func filesIn(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// outcomeOf is what the root says, which also must have a verdict.
func outcomeOf(t *testing.T, spans []*tracepb.Span) string {
	t.Helper()
	attrs := make(map[string]string)
	for _, s := range spans {
		if s.GetName() != "grpc.server.shutdown" {
			continue
		}
		for _, kv := range s.GetAttributes() {
			attrs[kv.GetKey()] = kv.GetValue().GetStringValue()
		}
	}
	if !strings.Contains(attrs["shutdown.verdict"], " ") {
		t.Errorf("verdict %q", attrs["shutdown.verdict"])
	}
	return fmt.Sprint(attrs["shutdown.outcome"])
}
