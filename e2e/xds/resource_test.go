// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"net"
	"net/netip"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	provider  = "files"  // of certificates
	routeName = "routes" // of every listener
)

// resourceName is what a server asks for that listens on addr.
func resourceName(addr string) string { return "grpc/server?xds.resource.listening_address=" + addr }

// listenerOf is the configuration of a server that listens on addr: its chain's
// name changes with an update, and mTLS is what its clients need.
func listenerOf(t *testing.T, addr net.Addr, chain string, mTLS bool) *listenerv3.Listener {
	t.Helper()
	port, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		t.Fatal(err)
	}
	manager := &hcmv3.HttpConnectionManager{
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			RouteConfigName: routeName,
			ConfigSource: &corev3.ConfigSource{ConfigSourceSpecifier: &corev3.ConfigSource_Ads{
				Ads: &corev3.AggregatedConfigSource{},
			}},
		}},
		HttpFilters: []*hcmv3.HttpFilter{{
			Name:       "router",
			ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: pack(t, &routerv3.Router{})},
		}},
	}
	filters := &listenerv3.FilterChain{
		Name: chain,
		Filters: []*listenerv3.Filter{{
			Name:       "manager",
			ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: pack(t, manager)},
		}},
	}
	if mTLS {
		filters.TransportSocket = mutualTLS(t)
	}
	return &listenerv3.Listener{
		Name: resourceName(addr.String()),
		Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{
				Address:       port.Addr().String(),
				PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port.Port())},
			},
		}},
		FilterChains: []*listenerv3.FilterChain{filters},
	}
}

func mutualTLS(t *testing.T) *corev3.TransportSocket {
	t.Helper()
	certificate := &tlsv3.CertificateProviderPluginInstance{InstanceName: provider}
	return &corev3.TransportSocket{
		Name: "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: pack(t, &tlsv3.DownstreamTlsContext{
			RequireClientCertificate: wrapperspb.Bool(true),
			CommonTlsContext: &tlsv3.CommonTlsContext{
				TlsCertificateProviderInstance: certificate,
				ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{
					ValidationContext: &tlsv3.CertificateValidationContext{
						CaCertificateProviderInstance: certificate,
					},
				},
			},
		})},
	}
}

// routes let RPCs in whose path has the prefix.
func routes(prefix string) *routev3.RouteConfiguration {
	return &routev3.RouteConfiguration{
		Name: routeName,
		VirtualHosts: []*routev3.VirtualHost{{
			Name: "all", Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: prefix}},
				Action: &routev3.Route_NonForwardingAction{},
			}},
		}},
	}
}

func pack(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func listeners(all ...*listenerv3.Listener) []*listenerv3.Listener { return all }
