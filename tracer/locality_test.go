// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"net"
	"testing"
)

// named is an address of a type that is not the standard library's.
type named struct{ network, text string }

func (n named) Network() string { return n.network }
func (n named) String() string  { return n.text }

// TestWherePeersAre: what is on this machine is told from what is elsewhere,
// which may be the client.
func TestWherePeersAre(t *testing.T) {
	tcp := func(address string) net.Addr {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	for _, tt := range []struct {
		name        string
		peer, local net.Addr
		want        locality
	}{
		{"elsewhere", tcp("10.0.0.7:4711"), tcp("10.0.0.100:50051"), ""},
		{"loopback", tcp("127.0.0.1:4711"), tcp("127.0.0.1:50051"), localProxy},
		{"loopback, IPv6", tcp("[::1]:4711"), tcp("[::1]:50051"), localProxy},
		{"loopback on a socket for both", tcp("[::ffff:127.0.0.1]:4711"), nil, localProxy},
		{"Istio's sidecar", tcp("127.0.0.6:4711"), tcp("10.0.0.100:50051"), localProxy},
		{"our own address", tcp("10.0.0.100:4711"), tcp("10.0.0.100:50051"), localProxy},
		{"ours is not known", tcp("10.0.0.100:4711"), nil, ""},
		{"neither is", &net.TCPAddr{}, &net.TCPAddr{}, ""},
		{"another type", named{"tcp", "127.0.0.1:4711"}, nil, localProxy},
		{"one that is no address", named{"tcp", "proxy"}, named{"tcp", "proxy"}, ""},
		{"unix", &net.UnixAddr{Net: "unix"}, &net.UnixAddr{Name: "/run/s", Net: "unix"}, localProxy},
		{"bufconn", named{"bufconn", "bufconn"}, named{"bufconn", "bufconn"}, sameProcess},
		{"net.Pipe", named{"pipe", "pipe"}, nil, sameProcess},
		{"unknown", named{"unknown", "unknown"}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := newPeerLine(tt.peer, tt.local).where; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestInfrastructure(t *testing.T) {
	for method, want := range map[string]bool{
		"grpc.health.v1.Health/Watch":                                   true,
		"grpc.health.v1.Health/Check":                                   true,
		"grpc.health.v1.Health/List":                                    true,
		"grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      true,
		"grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": true,
		"grpc.channelz.v1.Channelz/GetServers":                          true,
		"greeter.v1.Greeter/SayHello":                                   false,
		"shop.grpc.health.v1.Health/Watch":                              false,
		"grpc.health.v1.HealthCare/Watch":                               false,
		"_OTHER":                                                        false,
		"":                                                              false,
	} {
		if got := infrastructure(method); got != want {
			t.Errorf("infrastructure(%q) = %t", method, got)
		}
	}
}
