// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

type (
	writer     = http.ResponseWriter
	answerFunc = func(w writer, r *http.Request, call int) bool
)

// httpCollector is an OTLP HTTP server on the loopback interface.
type httpCollector struct {
	srv *httptest.Server
	url string
	// answer decides about a request that has spans, and returns false to have
	// it taken.
	answer answerFunc
	took   chan int

	mu       sync.Mutex
	requests []*http.Request
	calls    int // with spans
	empty    int
	traces   []*tracepb.ResourceSpans
	conns    map[net.Conn]http.ConnState
	accepted int
}

func startHTTP(t *testing.T, c *httpCollector) *httpCollector {
	t.Helper()
	return startHTTPS(t, c, nil)
}

// startHTTPS speaks TLS if there is a configuration.
func startHTTPS(t *testing.T, c *httpCollector, conf *tls.Config) *httpCollector {
	t.Helper()
	if c == nil {
		c = &httpCollector{}
	}
	c.took, c.conns = make(chan int, 100), make(map[net.Conn]http.ConnState)
	c.srv = httptest.NewUnstartedServer(c)
	c.srv.Listener.Close()
	lis, err := net.Listen("tcp", address.TCP(t)) // it stays refused when it is closed
	if err != nil {
		t.Fatal(err)
	}
	c.srv.Listener = lis
	c.srv.Config.ConnState = c.note
	c.srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	if conf != nil {
		c.srv.TLS = conf
		c.srv.StartTLS()
	} else {
		c.srv.Start()
	}
	c.url = c.srv.URL
	t.Cleanup(c.srv.Close)
	return c
}

// tlsFrom is a server's configuration that wants the client to show clientCert.
func tlsFrom(t *testing.T, certFile, keyFile, clientCert string) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}}
	if clientCert != "" {
		text, err := os.ReadFile(clientCert)
		if err != nil {
			t.Fatal(err)
		}
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		conf.ClientCAs.AppendCertsFromPEM(text)
	}
	return conf
}

func (c *httpCollector) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state == http.StateNew {
		c.accepted++
	}
	c.conns[conn] = state
	if state == http.StateClosed || state == http.StateHijacked {
		delete(c.conns, conn)
	}
}

func (c *httpCollector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spans, err := decode(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.requests = append(c.requests, r)
	if len(spans) == 0 {
		c.empty++
	} else {
		c.calls++
	}
	call := c.calls
	c.mu.Unlock()
	if c.answer != nil && (len(spans) > 0 || call == 0) && c.answer(w, r, call) {
		return
	}
	c.mu.Lock()
	c.traces = append(c.traces, spans...)
	c.mu.Unlock()
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	if r.Header.Get("Content-Type") == typeJSON {
		_, _ = io.WriteString(w, "{}")
	}
	if len(spans) > 0 {
		select {
		case c.took <- len(flatten(spans)):
		default:
		}
	}
}

// decode is as strict as a collector.
func decode(r *http.Request) ([]*tracepb.ResourceSpans, error) {
	body := io.Reader(r.Body)
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		zr, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = zr
	default:
		return nil, errors.New("unknown Content-Encoding")
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodPost {
		return nil, errors.New("not a POST")
	}
	switch r.Header.Get("Content-Type") {
	case typeProtobuf:
		var req request
		err := proto.Unmarshal(b, &req)
		return req.GetResourceSpans(), err
	case typeJSON:
		if string(bytes.TrimSpace(b)) == "{}" {
			return nil, nil
		}
		td, err := otlpjson.Parse(b)
		return td.GetResourceSpans(), err
	}
	return nil, errors.New("unknown Content-Type")
}

func (c *httpCollector) spans() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return flatten(c.traces)
}

// last is the newest request.
func (c *httpCollector) last(t *testing.T) *http.Request {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) == 0 {
		t.Fatal("no request came")
	}
	return c.requests[len(c.requests)-1]
}

func (c *httpCollector) connections() (accepted, open int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, len(c.conns)
}

// httpEnv makes the environment of a protocol and an endpoint for all signals.
func httpEnv(p protocol, url string, more ...string) []string {
	return append([]string{"OTEL_EXPORTER_OTLP_PROTOCOL", string(p), "OTEL_EXPORTER_OTLP_ENDPOINT", url,
		"OTEL_SERVICE_NAME", "s"}, more...)
}

var httpProtocols = []protocol{protocolProtobuf, protocolJSON}
