// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"crypto/tls"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
)

// TestSocketsHoldTheStop pins facts 2 and 38: whoever does not finish the
// handshake holds GracefulStop for the ConnectionTimeout, 120 s from Accept,
// and until then no client is told of the shutdown.
func TestSocketsHoldTheStop(t *testing.T) {
	server, client := certificate(t)
	for _, test := range []struct {
		name string
		opts []grpc.ServerOption
		dial func(context.Context, *Listener) (*Socket, error)
	}{
		{"Silent", nil, func(ctx context.Context, lis *Listener) (*Socket, error) {
			return Silent(ctx, lis.Dial)
		}},
		{"HalfPreface", nil, func(ctx context.Context, lis *Listener) (*Socket, error) {
			return HalfPreface(ctx, lis.Dial)
		}},
		{"Silent, TLS", server, func(ctx context.Context, lis *Listener) (*Socket, error) {
			return Silent(ctx, lis.Dial)
		}},
		{"HalfTLS", server, func(ctx context.Context, lis *Listener) (*Socket, error) {
			return HalfTLS(ctx, lis.Dial)
		}},
		{"NoPreface", server, func(ctx context.Context, lis *Listener) (*Socket, error) {
			return NoPreface(ctx, lis.Dial, client)
		}},
		{"HalfPreface, TLS", server, func(ctx context.Context, lis *Listener) (*Socket, error) {
			return HalfPreface(ctx, DialTLS(lis.Dial, client))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTarget(t, &greeter{}, test.opts...)
				dial := DialFunc(s.Dial)
				if test.opts != nil {
					dial = DialTLS(dial, client)
				}
				good, err := Connect(t.Context(), dial, Obedient())
				good = peer(t, good, err)
				socket, err := test.dial(t.Context(), s.Listener)
				socket = peer(t, socket, err)

				time.Sleep(20 * time.Second)
				took := s.gracefulStop()
				wantHeld(t, took, 99*time.Second)
				wantOpen(t, "a healthy client has a GOAWAY", good.GoAway())
				wantOpen(t, "the server has closed the socket", socket.Done())
				wantTook(t, took, 100*time.Second)
				wantClosed(t, "a healthy client has a GOAWAY", good.GoAway())
				synctest.Wait()
				wantClosed(t, "the server has closed the socket", socket.Done())
			})
		})
	}
}

// TestSocketCloseReleases checks that it is the peer which holds the stop.
func TestSocketCloseReleases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTarget(t, &greeter{})
		socket, err := Silent(t.Context(), s.Dial)
		socket = peer(t, socket, err)
		took := s.gracefulStop()
		wantHeld(t, took, time.Second)
		if err := socket.Close(); err != nil {
			t.Error(err)
		}
		wantTook(t, took, time.Second)
		wantClosed(t, "the socket is done", socket.Done())
		if err := socket.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	lis := Listen()
	_ = lis.Close()
	ctx := t.Context()
	for name, err := range map[string]error{
		"Silent":     second(Silent(ctx, lis.Dial)),
		"HalfTLS":    second(HalfTLS(ctx, lis.Dial)),
		"NoPreface":  second(NoPreface(ctx, lis.Dial, &tls.Config{ServerName: "server"})),
		"Mute":       second(Mute(ctx, lis.Dial)),
		"Frozen":     second(Frozen(ctx, lis.Dial, Call{})),
		"SlowReader": second(SlowReader(ctx, lis.Dial, Call{}, 1)),
		"Vanisher":   second(Vanisher(ctx, lis.Dial, Call{}, nil)),
	} {
		if err == nil {
			t.Errorf("%s connected to a closed listener", name)
		}
	}
}

func second[P Peer](_ P, err error) error { return err }

// certificate returns the TLS of a server and that of its clients.
func certificate(t *testing.T) ([]grpc.ServerOption, *tls.Config) {
	t.Helper()
	forServer, forClients, err := selfsigned.Config()
	if err != nil {
		t.Fatal(err)
	}
	return []grpc.ServerOption{grpc.Creds(credentials.NewTLS(forServer))}, forClients
}
