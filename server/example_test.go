// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"io"
	"log/slog"
	"net"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gracetrace/gracetrace/tracer"
)

// quiet is a Tracer that neither logs nor sends. Yours is tracer.New(ctx).
func quiet() *tracer.Tracer {
	t, err := tracer.New(context.Background(), tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return dropped{}, nil }))
	if err != nil {
		panic(err)
	}
	return t
}

// serveInMemory serves srv, and returns a connection to it.
func serveInMemory(srv interface{ Serve(net.Listener) error }) *grpc.ClientConn {
	lis := bufconn.Listen(1 << 20) // or net.Listen
	go func() { _ = srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///memory",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	return conn
}

// closing is for a deferred Close whose error says nothing.
func closing(c io.Closer) { _ = c.Close() }
