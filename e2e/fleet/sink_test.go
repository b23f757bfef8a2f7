// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"net"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// A sink is a collector that keeps what it gets, to be weighed or sent again.
type sink struct {
	collectorpb.UnimplementedTraceServiceServer

	endpoint string

	mu       sync.Mutex // guards requests
	requests []*collectorpb.ExportTraceServiceRequest
}

func newSink(t *testing.T) *sink {
	t.Helper()
	lis, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{endpoint: "http://" + lis.Addr().String()}
	srv := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(srv, s)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

// Export keeps a request. The probe at a process's start has no span.
func (s *sink) Export(_ context.Context, req *collectorpb.ExportTraceServiceRequest,
) (*collectorpb.ExportTraceServiceResponse, error) {
	if len(req.GetResourceSpans()) > 0 {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.requests = append(s.requests, req)
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// A weight is what a shutdown costs on the wire, without gRPC's own frames.
type weight struct{ requests, spans, bytes, largest int }

func (s *sink) weight() weight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return weigh(s.requests)
}

func weigh(requests []*collectorpb.ExportTraceServiceRequest) (w weight) {
	for _, req := range requests {
		w.requests++
		w.bytes += proto.Size(req)
		w.largest = max(w.largest, proto.Size(req))
		for range spansOf(req) {
			w.spans++
		}
	}
	return w
}

// spansOf iterates over the spans of a request.
func spansOf(req *collectorpb.ExportTraceServiceRequest) func(func(*tracepb.Span) bool) {
	return func(yield func(*tracepb.Span) bool) {
		for _, rs := range req.GetResourceSpans() {
			for _, ss := range rs.GetScopeSpans() {
				for _, span := range ss.GetSpans() {
					if !yield(span) {
						return
					}
				}
			}
		}
	}
}
