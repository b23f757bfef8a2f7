// SPDX-License-Identifier: Apache-2.0

package scenario_test

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/scenario"
	"github.com/gracetrace/gracetrace/internal/address"
	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/selfsigned"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Every client gets into its state, in the demo, in load and over TLS, and
// leaves nothing behind.
func TestStart(t *testing.T) {
	for _, test := range []struct {
		name      string
		tls, sees bool
	}{
		{"demo", false, true},
		{"demo over TLS", true, true},
		{"load", false, false},
		{"load over TLS", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := serve(t, test.tls, test.sees)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			for _, s := range scenario.All() {
				c, err := s.Start(ctx, target)
				if err != nil {
					t.Errorf("%s: %v", s.Name, err)
					continue
				}
				if c.LocalAddr() == "" && test.sees {
					t.Errorf("%s has no address", s.Name)
				}
				c.Close()
				<-c.Done()
			}
		})
	}
}

// Who is not there is an error, at once.
func TestNoServer(t *testing.T) {
	target := &scenario.Target{Addr: address.TCP(t), Begun: make(chan struct{})}
	for _, s := range scenario.All() {
		if _, err := s.Start(t.Context(), target); err == nil {
			t.Errorf("%s: no error", s.Name)
		}
	}
}

func serve(t *testing.T, tls, sees bool) *scenario.Target {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	target := &scenario.Target{Addr: lis.Addr().String(), Orphan: 50 * time.Millisecond}
	opts := []grpc.ServerOption{grpc.WaitForHandlers(true)}
	if tls {
		server, client, err := selfsigned.Config()
		if err != nil {
			t.Fatal(err)
		}
		target.TLS = client
		opts = append(opts, grpc.Creds(credentials.NewTLS(server)))
	}
	if sees {
		begun := make(chan struct{})
		target.Begun = begun
		opts = append(opts, grpc.UnaryInterceptor(func(ctx context.Context, req any,
			_ *grpc.UnaryServerInfo, handler grpc.UnaryHandler,
		) (any, error) {
			begun <- struct{}{}
			return handler(ctx, req)
		}))
	}
	s := grpc.NewServer(opts...)
	greeterv1.RegisterGreeterServer(s, &greeter.Server{})
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return target
}
