// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/examples/internal/program"
	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

func TestMain(m *testing.M) { program.Main(m, main) }

// TestSIGTERM: the program is stopped while an RPC runs. The API drains, the
// metrics can be read meanwhile, the database is closed last, the exit code is 0, and
// all of it is one trace with a bar each.
func TestSIGTERM(t *testing.T) {
	spans := collect(t)
	log, ctx := program.Start(t, []string{"-api", "127.0.0.1:0", "-metrics", "127.0.0.1:0"}, "OTEL_SERVICE_NAME=twoservers",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://"+spans.address, "OTEL_EXPORTER_OTLP_INSECURE=true")
	conn, err := grpc.NewClient(addressIn(log.Await("serving member=api")),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	metrics := "http://" + addressIn(log.Await("serving member=metrics"))

	greeted := make(chan string, 1)
	go func() {
		res, err := pb.NewGreeterClient(conn).SayHello(ctx,
			&pb.SayHelloRequest{Name: "ada", Duration: durationpb.New(3 * time.Second)})
		greeted <- fmt.Sprint(res.GetMessage(), err)
	}()
	for tick := time.NewTicker(10 * time.Millisecond); get(ctx, t, metrics) !=
		"greeter_in_flight 1\ngreeter_served_total 0\n"; {
		<-tick.C
	}
	log.Terminate()
	log.Await("shutdown started")
	if got := get(ctx, t, metrics); !strings.HasPrefix(got, "greeter_in_flight 1\n") {
		t.Errorf("metrics while the API drains: %q", got)
	}
	if got, want := <-greeted, "hello, ada<nil>"; got != want {
		t.Errorf("SayHello: %s, want %s", got, want)
	}
	log.Await("database closed")
	finished := log.Await("members=3")
	if !strings.Contains(finished, "outcome=graceful") || !strings.Contains(finished, "api took ") {
		t.Errorf("the last line: %s", finished)
	}
	log.WantSuccess()
	spans.wantBars(t, "member api", "member metrics", "member database")
}

// TestAddressInUse: two processes on one port; the second says who the first is.
func TestAddressInUse(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	cmd := program.Command(ctx, []string{"-api", lis.Addr().String(), "-metrics", "127.0.0.1:99999"},
		"OTEL_TRACES_EXPORTER=none")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("%v, want exit code 1", err)
	}
	for _, want := range []string{
		"member api: listen tcp " + lis.Addr().String(), "address already in use",
		"member metrics: listen tcp: address 99999: invalid port",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// addressIn finds the address in a line of the log.
func addressIn(line string) string {
	_, rest, _ := strings.Cut(line, "addresses=[")
	address, _, _ := strings.Cut(rest, "]")
	return address
}

func get(ctx context.Context, t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// received is a collector that keeps the spans.
type received struct {
	collector.UnimplementedTraceServiceServer
	address string

	mu    sync.Mutex // guards following
	spans []*otlp.Span
}

// collect starts one.
func collect(t *testing.T) *received {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &received{address: lis.Addr().String()}
	srv := grpc.NewServer()
	collector.RegisterTraceServiceServer(srv, r)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return r
}

// Export implements collector.TraceServiceServer.
func (r *received) Export(
	_ context.Context, req *collector.ExportTraceServiceRequest,
) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			r.spans = append(r.spans, ss.GetSpans()...)
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// wantBars expects one trace, whose root has children of these names, each of which
// begins when the one before has ended.
func (r *received) wantBars(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	traces := make(map[string]bool)
	var root string
	for _, s := range r.spans {
		traces[hex.EncodeToString(s.GetTraceId())] = true
		if s.GetName() == "shutdown" {
			root = hex.EncodeToString(s.GetSpanId())
		}
	}
	bars := slices.DeleteFunc(slices.Clone(r.spans), func(s *otlp.Span) bool {
		return root == "" || hex.EncodeToString(s.GetParentSpanId()) != root
	})
	slices.SortFunc(bars, func(a, b *otlp.Span) int {
		return int(a.GetStartTimeUnixNano()) - int(b.GetStartTimeUnixNano())
	})
	var got []string
	for i, b := range bars {
		got = append(got, b.GetName())
		if i > 0 && b.GetStartTimeUnixNano() < bars[i-1].GetEndTimeUnixNano() {
			t.Errorf("%s begins before %s has ended", b.GetName(), bars[i-1].GetName())
		}
	}
	if len(traces) != 1 || !slices.Equal(got, want) {
		t.Errorf("%d traces; bars below the root: %q, want one with %q", len(traces), got, want)
	}
}
