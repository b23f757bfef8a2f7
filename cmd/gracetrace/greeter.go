// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// greeterConfig is how the server of demo and serve differs from server.New.
type greeterConfig struct {
	grace time.Duration // 0: server's own default
	// handshakeTimeout is how long a client may take until its first frame; 0:
	// grpc-go's own default, 120 s. A stop does not wait that long.
	handshakeTimeout time.Duration
	lameDuck         time.Duration
	tls              *tls.Config // nil: plain text
	begun            chan<- struct{}
}

// newGreeter makes the server that is stopped.
func newGreeter(t *tracer.Tracer, c greeterConfig) *server.Server {
	checks := health.NewServer()
	opts := []grpc.ServerOption{
		server.LameDuck(c.lameDuck), server.Health(checks),
	}
	if c.handshakeTimeout > 0 {
		opts = append(opts, grpc.ConnectionTimeout(c.handshakeTimeout))
	}
	if c.grace > 0 {
		opts = append(opts, server.GracePeriod(c.grace))
	}
	if c.tls != nil {
		opts = append(opts, grpc.Creds(interceptors.Credentials(t, credentials.NewTLS(c.tls))))
	}
	if c.begun != nil {
		opts = append(opts, grpc.ChainUnaryInterceptor(tellBegin(c.begun)))
	}
	srv := server.New(t, opts...)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	healthv1.RegisterHealthServer(srv, checks)
	return srv
}

// tellBegin tells that a handler is about to run, if anybody listens.
func tellBegin(begun chan<- struct{}) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, _ *grpc.UnaryServerInfo,
		handler grpc.UnaryHandler,
	) (any, error) {
		select {
		case begun <- struct{}{}:
		default:
		}
		return handler(ctx, req)
	}
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

// nameService gives the service a name, unless the environment does.
func nameService() error {
	if os.Getenv("OTEL_SERVICE_NAME") != "" ||
		strings.Contains(os.Getenv("OTEL_RESOURCE_ATTRIBUTES"), "service.name=") {
		return nil
	}
	return os.Setenv("OTEL_SERVICE_NAME", "greeter")
}
