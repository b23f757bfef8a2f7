// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/otlpjson"
)

const (
	typeProtobuf = "application/x-protobuf"
	typeJSON     = "application/json"
)

// otlpHTTP is OTLP over HTTP/1.1, one request at a time on one connection. Spans
// become messages by otlptrace's own code, as with gRPC: a backend that compares
// two copies finds the same bytes. Why not otlptracehttp: docs/adr/008.
//
// Its methods are called by one goroutine; its connections by others.
type otlpHTTP struct {
	set   settings
	way   *way
	spans *otlptrace.Exporter // hands what it makes to UploadTraces
	seen
	failed atomic.Pointer[error] // why the last connection could not be made
}

func newHTTP(set settings) *otlpHTTP {
	o := &otlpHTTP{set: set}
	o.way = newWay(o)
	o.spans = otlptrace.NewUnstarted(o)
	return o
}

// connect makes the connection, TLS and all, before there is something to send.
func (o *otlpHTTP) connect() { o.way.prepare() }

func (o *otlpHTTP) redial() error { //nolint:unparam // gRPC's may fail
	old := o.way
	o.way = newWay(o)
	old.close()
	return nil
}

func (o *otlpHTTP) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return o.spans.ExportSpans(ctx, spans)
}

func (o *otlpHTTP) sendProto(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	return o.UploadTraces(ctx, spans)
}

func (o *otlpHTTP) ping(ctx context.Context) error { return o.UploadTraces(ctx, nil) }

// Start is for [otlptrace.Client].
func (*otlpHTTP) Start(context.Context) error { return nil }

// Stop is for [otlptrace.Client].
func (*otlpHTTP) Stop(context.Context) error { return nil }

// Shutdown closes the connection, whatever it is doing.
func (o *otlpHTTP) Shutdown(context.Context) error {
	o.way.close()
	return nil
}

// UploadTraces returns a *partialError when the collector kept only some, and an
// *httpError when it did not answer, or not that it has them.
func (o *otlpHTTP) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	if o.set.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.set.timeout)
		defer cancel()
	}
	req, err := o.request(ctx, spans)
	if err != nil {
		return err
	}
	resp, err := o.way.roundTrip(req)
	if err == nil {
		o.answer.Store(true)
		err = readAnswer(resp)
		o.way.answered()
	}
	if err == nil {
		return nil
	}
	before := ""
	if failed := o.failed.Load(); failed != nil && ctx.Err() != nil {
		before = ", before that: " + (*failed).Error()
	}
	return fmt.Errorf("POST %s: %w%s", o.set.endpoint, err, before)
}

// request is an ExportTraceServiceRequest. (OTLP specification, OTLP/HTTP
// Request.)
func (o *otlpHTTP) request(ctx context.Context, spans []*tracepb.ResourceSpans) (*http.Request, error) {
	body, err := o.encode(spans)
	if err != nil {
		return nil, err
	}
	if o.set.gzip {
		if body, err = zip(body); err != nil {
			return nil, err
		}
	}
	to := o.set.url.String() // the transport leaves out who is in it
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	o.setHeaders(req)
	return req, nil
}

// setHeaders lets the user's headers win but for those that say what the body is.
func (o *otlpHTTP) setHeaders(req *http.Request) {
	req.Header.Set("User-Agent", userAgent)
	if user := o.set.url.User; user != nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	for key, value := range o.set.headers {
		req.Header.Set(key, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	req.Header.Set("Content-Type", o.contentType())
	req.Header.Del("Content-Encoding")
	if o.set.gzip {
		req.Header.Set("Content-Encoding", "gzip")
	}
}

func (o *otlpHTTP) contentType() string {
	if o.set.protocol == protocolJSON {
		return typeJSON
	}
	return typeProtobuf
}

// encode makes use of a request being, field by field, a TracesData.
func (o *otlpHTTP) encode(spans []*tracepb.ResourceSpans) ([]byte, error) {
	if o.set.protocol == protocolJSON {
		return otlpjson.Line(&tracepb.TracesData{ResourceSpans: spans})
	}
	return proto.Marshal(&coltracepb.ExportTraceServiceRequest{ResourceSpans: spans})
}

func zip(body []byte) ([]byte, error) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
