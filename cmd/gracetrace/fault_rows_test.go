// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/address"
)

// faults are the rows, in the order of docs/faults.md.
func faults() (rows []fault) {
	rows = append(rows, answeringFaults...)
	rows = append(rows, httpFaults...)
	rows = append(rows, networkFaults...)
	rows = append(rows, dnsFaults...)
	rows = append(rows, tlsFaults...)
	rows = append(rows, spoolFaults...)
	return append(rows, diskFaults...)
}

// answeringFaults are of collectors that can be reached.
var answeringFaults = []fault{
	{
		name: "no fault", ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, nil)) },
	},
	{
		name: "slow: 1 s a batch", ready: true, delivered: perhaps, lost: perhaps, reason: "timeout",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, slowly)) },
	},
	{
		name: "never answers an export", ready: true, lost: all, reason: "timeout",
		said:    "DeadlineExceeded|deadline exceeded|Canceled",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, never)) },
	},
	{
		name: "never answers, grace period 30 s", graceful: true, ready: true, lost: all, reason: "timeout",
		said:    "DeadlineExceeded|deadline exceeded|Canceled",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, never)) },
	},
	{
		name: "ResourceExhausted", ready: true, lost: all, reason: "resource exhausted", said: "no room",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, exhausted)) },
	},
	{
		name: "partial success", ready: true, delivered: some, lost: some, reason: "rejected", said: "I take no rpc",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, func(_ context.Context, c *sink, req *request) (*response, error) {
				n := c.take(req, func(s *tracepb.Span) bool { return s.GetName() != "rpc Greeter/Chat" })
				return &response{PartialSuccess: &collectorv1.ExportTracePartialSuccess{
					RejectedSpans: n, ErrorMessage: "I take no rpc",
				}}, nil
			}))
		},
	},
	{
		name: "ResourceExhausted above 4 KiB", ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, exhaustedAbove(4<<10))) },
	},
	{
		name: "150 RPCs, limit 256 KiB", load: many, ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, nil, grpc.MaxRecvMsgSize(256<<10)))
			r.check = func(t *testing.T) {
				t.Helper()
				size := 0
				for _, s := range r.spans {
					size += proto.Size(s)
				}
				if size < 256<<10 {
					t.Errorf("%d bytes of spans would fit into one request", size)
				}
			}
		},
	},
	{
		name: "150 RPCs, limit 4 MiB", load: many, ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.toSink(newSink(t, nil)) },
	},
	{
		name: "wrong token", ready: true, lost: all, reason: "collector refused", said: "Unauthenticated",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, wants("Bearer right")))
			r.secret = "s3cr3t"
			r.env = append(r.env, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20"+r.secret)
		},
	},
}

// networkFaults are of collectors that cannot be reached, at first or later.
var networkFaults = []fault{
	{
		name: "refused", lost: all, reason: "collector unreachable", said: "connection refused",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.to("http://" + address.TCP(t)) },
	},
	{
		name: "mute: accepts, says nothing", lost: all, reason: "collector unreachable",
		said: "server preface|[Dd]eadline",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.to("http://" + accepting(t, func(net.Conn) {}))
		},
	},
	{
		name: "SYN not answered", lost: all, reason: "collector unreachable",
		said:    "i/o timeout|[Dd]eadline",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.to("http://" + blackhole(t)) },
	},
	{
		name: "no such host", lost: all, reason: "collector unreachable", said: "no such host|produced zero addresses",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			// Go's resolver asks no server for such a name (RFC 7686): this machine may have none.
			r.to("http://collector.onion:4317")
			r.env = append(r.env, "GODEBUG=netdns=go")
		},
	},
	{
		name: "dies in the middle of an export", ready: true, delivered: some, lost: some,
		reason: "collector gone", said: "collector_gone_ms:",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			var n atomic.Int64
			r.toSink(newSink(t, func(_ context.Context, c *sink, _ *request) (*response, error) {
				if n.Add(1) < 4 { // the probe, started, a checkpoint
					return nil, nil
				}
				return nil, c.die()
			}))
		},
	},
	{
		name: "gone at 5 s", ready: true, delivered: some, lost: some, reason: "collector gone",
		said: `collector_gone_ms:(4[5-9]|5\d)\d\d`,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, nil))
			r.at = append(r.at, event{5 * time.Second, r.sink.down})
		},
	},
	{
		name: "restarts, away for 2 s", ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, nil))
			r.at = append(r.at,
				event{5 * time.Second, r.sink.down},
				event{7 * time.Second, func() { r.sink.up(t) }})
		},
	},
	{
		name: "restarts, away until 1 s after the drain", ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			r.toSink(newSink(t, nil))
			r.at = append(r.at,
				event{stoppingDrain - time.Second, r.sink.down},
				event{stoppingDrain + time.Second, func() { r.sink.up(t) }})
		},
	},
}
