// SPDX-License-Identifier: Apache-2.0

package xds_test

import (
	"context"
	"encoding/json"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

// node is what every server of these tests calls itself: each has a control plane
// of its own.
const node = "test"

// plane is a control plane.
type plane struct {
	addr    string
	cache   cache.SnapshotCache
	version atomic.Int64
	stop    func()
}

func startPlane(t *testing.T) *plane {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &plane{addr: lis.Addr().String(), cache: cache.NewSnapshotCache(true, cache.IDHash{}, nil)}
	ctx, cancel := context.WithCancel(context.Background())
	srv := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(srv, server.NewServer(ctx, p.cache, nil))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	p.stop = func() {
		cancel()
		srv.Stop()
	}
	t.Cleanup(func() {
		p.stop()
		if err := <-served; err != nil {
			t.Errorf("the control plane: %v", err)
		}
	})
	return p
}

// set tells the servers what there is now.
func (p *plane) set(t *testing.T, lds []*listenerv3.Listener, rds ...*routev3.RouteConfiguration) {
	t.Helper()
	all := map[resource.Type][]types.Resource{resource.ListenerType: {}, resource.RouteType: {}}
	for _, l := range lds {
		all[resource.ListenerType] = append(all[resource.ListenerType], l)
	}
	for _, r := range rds {
		all[resource.RouteType] = append(all[resource.RouteType], r)
	}
	snap, err := cache.NewSnapshot(strconv.FormatInt(p.version.Add(1), 10), all)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cache.SetSnapshot(t.Context(), node, snap); err != nil {
		t.Fatal(err)
	}
}

// bootstrap is what GRPC_XDS_BOOTSTRAP_CONFIG would have. plugin is where certificates
// come from, if there are any.
func (p *plane) bootstrap(t *testing.T, plugin string, config map[string]string) []byte {
	t.Helper()
	type object = map[string]any
	all := object{
		"xds_servers": []object{{
			"server_uri":    "passthrough:///" + p.addr,
			"channel_creds": []object{{"type": "insecure"}},
		}},
		"node":                                   object{"id": node},
		"server_listener_resource_name_template": resourceName("%s"),
	}
	if plugin != "" {
		all["certificate_providers"] = object{
			provider: object{"plugin_name": plugin, "config": config},
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
