// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

const (
	minBackoff     = 50 * time.Millisecond
	maxBackoff     = 500 * time.Millisecond
	connectTimeout = time.Second

	userAgent = "gracetrace"
)

// answerer is an exporter that knows whether a collector ever answered a
// call, with whatever status.
type answerer interface {
	answered() bool
	// lostAt is when the last connection ended, zero while there is one.
	lostAt() time.Time
}

// connector is an exporter that can dial before it has something to send, and
// dial anew at once instead of waiting for its connection's backoff.
type connector interface {
	connect()
	redial() error
}

// reconnector is an exporter that can dial anew at once if it has no connection: a
// call would else meet the error of a dial of up to half a second ago.
type reconnector interface{ reconnect() }

// otlp is otlptracegrpc over a connection of ours. Owning the connection
// allows to dial early, to see whether anybody answered, and to read the
// endpoint in the same way with every version of otlptracegrpc: v1.35 makes
// an empty target of localhost:4317 and a broken one of dns:///host:4317.
//
// Its methods are called by one goroutine; the connection's stats handler and
// interceptor by others.
type otlp struct {
	set  settings
	conn *grpc.ClientConn
	exp  sdktrace.SpanExporter
	watch
}

// dialer connects to host:port.
type dialer func(ctx context.Context, addr string) (net.Conn, error)

// otlpFactory is the default factory. It reads the environment and the files
// named in it each time, and dials nothing.
func otlpFactory(dial dialer) factory {
	return func(context.Context) (sdktrace.SpanExporter, error) {
		set, err := readSettings()
		if err != nil {
			return nil, err
		}
		set.dial = dial
		if set.protocol.http() {
			return newHTTP(set), nil
		}
		o := &otlp{set: set}
		if err := o.dial(); err != nil {
			return nil, err
		}
		return o, nil
	}
}

// dial makes the connection, idle as yet, and the exporter on it. The
// exporter's retry is off: it waits seconds for a collector that was away for
// a moment.
func (o *otlp) dial() error {
	creds := insecure.NewCredentials()
	if o.set.tls != nil {
		creds = credentials.NewTLS(o.set.tls.Clone())
	}
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: minBackoff, Multiplier: 2, Jitter: 0.2, MaxDelay: maxBackoff,
			},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDisableServiceConfig(), // one DNS query less
		grpc.WithDisableRetry(),
		grpc.WithUserAgent(userAgent),
		grpc.WithStatsHandler(&o.watch),
		grpc.WithChainUnaryInterceptor(o.intercept),
	}
	if o.set.gzip {
		opts = append(opts, grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	}
	if o.set.dial != nil {
		opts = append(opts, grpc.WithContextDialer(o.set.dial))
	}
	conn, err := grpc.NewClient(o.set.target, opts...)
	if err != nil {
		return err
	}
	exp, err := otlptracegrpc.New(context.Background(),
		otlptracegrpc.WithGRPCConn(conn),
		otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false}),
		otlptracegrpc.WithTimeout(o.set.timeout))
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	o.conn, o.exp = conn, exp
	return nil
}

func (o *otlp) connect() { o.conn.Connect() }

func (o *otlp) redial() error {
	old := o.conn
	if err := o.dial(); err != nil {
		return err
	}
	closeConn(old)
	return nil
}

func (o *otlp) reconnect() {
	if o.conn.GetState() == connectivity.TransientFailure {
		_ = o.redial() // The attempt meets the same error.
	}
}

// closeLimit bounds how long anybody waits for a connection to close.
const closeLimit = 50 * time.Millisecond

// closeConn closes a connection. grpc then waits for its resolver, and a lookup that
// a name server does not answer does not hear that it was cancelled: it is left to
// end by itself, seconds later.
func closeConn(conn *grpc.ClientConn) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = conn.Close() // it was closed before: nobody has
	}()
	wait(closed, closeLimit)
}

// ExportSpans returns a *partialError when the collector kept only some.
func (o *otlp) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	o.partial.Store(nil)
	if err := o.exp.ExportSpans(ctx, spans); err != nil {
		return err
	}
	if p := o.partial.Load(); p != nil {
		return p
	}
	return nil
}

func (o *otlp) ping(ctx context.Context) error {
	_, err := coltracepb.NewTraceServiceClient(o.conn).
		Export(o.withHeaders(ctx), &coltracepb.ExportTraceServiceRequest{})
	return err
}

// withHeaders adds OTEL_EXPORTER_OTLP_HEADERS to a call of our own.
func (o *otlp) withHeaders(ctx context.Context) context.Context {
	if len(o.set.headers) == 0 {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, metadata.New(o.set.headers))
}

func (o *otlp) Shutdown(ctx context.Context) error {
	err := o.exp.Shutdown(ctx)
	closeConn(o.conn)
	return err
}

// refusesAll reports whether an answer to an empty export says that spans
// would be refused too. Some collectors find only the empty batch invalid.
func refusesAll(err error) bool {
	var h *httpError
	if errors.As(err, &h) {
		return h.status != http.StatusBadRequest || !h.otlp
	}
	switch status.Code(err) {
	case codes.InvalidArgument, codes.FailedPrecondition, codes.OutOfRange:
		return false
	}
	return true
}

// seen is what became of connections: that a collector answered, and when the
// last one was lost.
type seen struct {
	answer atomic.Bool
	lost   atomic.Pointer[time.Time]
}

func (s *seen) answered() bool { return s.answer.Load() }

func (s *seen) lostAt() time.Time {
	if t := s.lost.Load(); t != nil {
		return *t
	}
	return time.Time{}
}

func (s *seen) connected() { s.lost.Store(nil) }

func (s *seen) disconnected() {
	now := time.Now()
	s.lost.Store(&now)
}

// watch sees what the exporter does not tell, and which spans were not taken.
type watch struct {
	seen
	partial atomic.Pointer[partialError]
}

// intercept takes the partial success out of the response: otlptracegrpc up
// to v1.35 at least prints it through the global error handler.
func (w *watch) intercept(
	ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	err := invoke(ctx, method, req, reply, cc, opts...)
	resp, ok := reply.(*coltracepb.ExportTraceServiceResponse)
	if err != nil || !ok {
		return err
	}
	w.partial.Store(partialOf(resp))
	resp.PartialSuccess = nil
	return nil
}

func (*watch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*watch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleRPC takes headers and trailers, which only a peer can send.
func (w *watch) HandleRPC(_ context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.InHeader, *stats.InTrailer:
		w.answer.Store(true)
	}
}

func (w *watch) HandleConn(_ context.Context, s stats.ConnStats) {
	switch s.(type) {
	case *stats.ConnBegin:
		w.connected()
	case *stats.ConnEnd:
		w.disconnected()
	}
}
