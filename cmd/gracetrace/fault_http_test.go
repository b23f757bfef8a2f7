// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// overHTTP makes r's collector one of OTLP/HTTP. status decides about a request by
// its size; 200 takes it.
func overHTTP(t *testing.T, r *faultRun, status func(size int) int) {
	t.Helper()
	r.sink = newSink(t, nil) // takes what comes over HTTP
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		msg := new(request)
		if err == nil {
			err = proto.Unmarshal(body, msg)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL.Path, err)
		}
		code := status(len(body))
		if code == http.StatusOK {
			r.sink.take(msg, func(*tracepb.Span) bool { return true })
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(code)
	}))
	t.Cleanup(s.Close)
	r.to(s.URL)
	r.env = append(r.env, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
}

// httpFaults are of collectors that are spoken to over HTTP.
var httpFaults = []fault{
	{
		name: "HTTP: no fault", ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			overHTTP(t, r, func(int) int { return http.StatusOK })
		},
	},
	{
		name: "HTTP: 503 always", ready: true, lost: all, reason: "collector gone", said: "503",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			overHTTP(t, r, func(int) int { return http.StatusServiceUnavailable })
		},
	},
	{
		name: "HTTP: 413 above 64 KiB", load: many, ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			overHTTP(t, r, func(size int) int {
				if size > 64<<10 {
					return http.StatusRequestEntityTooLarge
				}
				return http.StatusOK
			})
		},
	},
}
