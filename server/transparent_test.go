// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// A sameCase is something a user does with a server. It is done with a bare
// grpc server and with ours, each in a bubble of its own, and must leave the
// same record, times included.
type sameCase struct {
	name   string
	server func(*record) []grpc.ServerOption
	client []grpc.DialOption
	do     func(ctx context.Context, r *record, c greeterv1.GreeterClient)
	since  int // the first minor version of grpc 1 on which it can run in a bubble
}

// ways are the ways to make a server. The first is the one to compare with.
var ways = []struct {
	name string
	make func(*tracer.Tracer, []grpc.ServerOption) server.GRPC
}{
	{"bare", func(_ *tracer.Tracer, opts []grpc.ServerOption) server.GRPC {
		return grpc.NewServer(opts...)
	}},
	{"New", func(t *tracer.Tracer, opts []grpc.ServerOption) server.GRPC {
		return server.New(t, opts...)
	}},
	{"Wrap", func(t *tracer.Tracer, opts []grpc.ServerOption) server.GRPC {
		return server.Wrap(grpc.NewServer(opts...), t)
	}},
	{"Wrap with ServerOptions", func(t *tracer.Tracer, opts []grpc.ServerOption) server.GRPC {
		return server.Wrap(grpc.NewServer(append(interceptors.ServerOptions(t), opts...)...), t)
	}},
	{"Wrap with ServerOptions last", func(t *tracer.Tracer, opts []grpc.ServerOption) server.GRPC {
		return server.Wrap(grpc.NewServer(append(slices.Clip(opts),
			interceptors.ServerOptions(t)...)...), t)
	}},
}

// TestTransparent runs every case in every way.
func TestTransparent(t *testing.T) {
	for _, cases := range [][]sameCase{resultCases, limitCases, optionCases, endCases} {
		for _, tt := range cases {
			t.Run(tt.name, func(t *testing.T) {
				minor := 0
				if _, err := fmt.Sscanf(grpc.Version, "1.%d.", &minor); err == nil && minor < tt.since {
					t.Skipf("grpc %s: needs 1.%d", grpc.Version, tt.since)
				}
				var want map[string][]string
				for i, way := range ways {
					var got map[string][]string
					synctest.Test(t, func(t *testing.T) { got = runCase(t, tt, i) })
					if i == 0 {
						want = got
						t.Logf("bare: %q", want)
						if len(want) == 0 {
							t.Fatal("nothing was recorded, the case is blind")
						}
					} else if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s differs (-bare +%s):\n%s", way.name, way.name, diff)
					}
				}
			})
		}
	}
}

func runCase(t *testing.T, tt sameCase, way int) map[string][]string {
	t.Helper()
	r := newRecord()
	var opts []grpc.ServerOption
	if tt.server != nil {
		opts = tt.server(r)
	}
	r.srv = ways[way].make(newTracer(t), opts)
	greeterv1.RegisterGreeterServer(r.srv, &echo{record: r})
	register(r.srv)
	lis := servertest.Listen()
	served := make(chan error, 1)
	go func() { served <- r.srv.Serve(lis) }()
	cc, err := grpc.NewClient("passthrough:///greeter", append([]grpc.DialOption{
		grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
	}, tt.client...)...)
	if err != nil {
		t.Fatal(err)
	}
	r.cc = cc
	tt.do(t.Context(), r, greeterv1.NewGreeterClient(cc))
	_ = cc.Close()
	r.srv.Stop()
	r.addf("Serve", "%v", <-served)
	<-time.After(10 * time.Second) // of the bubble's, for handlers that ignore a stop
	synctest.Wait()
	return r.lines
}
