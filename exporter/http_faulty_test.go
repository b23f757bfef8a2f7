// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// stoppable is a server of either protocol.
type stoppable interface {
	Serve(lis net.Listener) error
	Stop()
}

// speak has the process of a fault speak what its collector does.
func speak(t *testing.T, kind string) {
	t.Helper()
	if kind == "" {
		return
	}
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	t.Setenv(endpoint, strings.Replace(os.Getenv(endpoint), grpcPort, httpPort, 1))
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/"+kind)
}

// faultyHTTP is the same collector over HTTP: it answers with the status that a
// collector makes of one of gRPC's.
type faultyHTTP struct {
	*faulty
	*http.Server
}

func overHTTP(c *faulty) *faultyHTTP {
	s := &faultyHTTP{faulty: c}
	s.Server = &http.Server{
		Handler:  http.HandlerFunc(s.export),
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
	return s
}

func (s *faultyHTTP) Serve(lis net.Listener) error {
	if s.conf != nil {
		lis = tls.NewListener(lis, s.conf)
	}
	return s.Server.Serve(lis)
}

func (s *faultyHTTP) Stop() { _ = s.Close() }

func (s *faultyHTTP) export(w http.ResponseWriter, r *http.Request) {
	if s.max > 0 && r.ContentLength > int64(s.max) {
		s.called(-1)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	spans, err := decode(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	ctx := metadata.NewIncomingContext(r.Context(),
		metadata.Pairs("authorization", r.Header.Get("Authorization")))
	_, err = s.Export(ctx, &request{ResourceSpans: spans})
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	switch status.Code(err) {
	case codes.OK:
		if r.Header.Get("Content-Type") == typeJSON {
			_, _ = io.WriteString(w, "{}")
		}
	case codes.Unauthenticated:
		w.WriteHeader(http.StatusUnauthorized)
	case codes.ResourceExhausted:
		if s.retry {
			w.Header().Set("Retry-After", "3")
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}
