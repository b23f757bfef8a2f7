// SPDX-License-Identifier: Apache-2.0

package woven

import (
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/internal/servertest"
)

// everything calls what an instrumented grpc calls, and returns what came back.
func everything(s *grpc.Server, lis net.Listener, sd *grpc.ServiceDesc) []any {
	opts, made := newServer([]grpc.ServerOption{grpc.EmptyServerOption{}})
	made(s)
	c := creds(insecure.NewCredentials())
	o := keepaliveParams(keepalive.ServerParameters{}, opts[0])
	d := registerService(s, sd)
	use, returning := serve(s, lis)
	returning()
	inside := serveInside(func() {}, lis)
	stop(s, true)()
	waited := false
	wait("w", s, func() { waited = true })
	return []any{len(opts), c.Info().SecurityProtocol, o, d == sd, use == lis, inside == lis, waited}
}

// told is a sink that remembers what it was told, and changes nothing.
type told []string

func (k *told) add(what string) func() {
	*k = append(*k, what)
	return func() { *k = append(*k, what+" returning") }
}

func (k *told) NewServer(opts []grpc.ServerOption) ([]grpc.ServerOption, func(*grpc.Server)) {
	returning := k.add("NewServer")
	return opts, func(*grpc.Server) { returning() }
}

func (k *told) Creds(c credentials.TransportCredentials) credentials.TransportCredentials {
	k.add("Creds")
	return c
}

func (k *told) KeepaliveParams(_ keepalive.ServerParameters, o grpc.ServerOption) grpc.ServerOption {
	k.add("KeepaliveParams")
	return o
}

func (k *told) RegisterService(_ *grpc.Server, sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	k.add("RegisterService")
	return sd
}

func (k *told) Serve(_ *grpc.Server, lis net.Listener) (net.Listener, func()) {
	return lis, k.add("Serve")
}

func (k *told) Stop(*grpc.Server, bool) func()   { return k.add("Stop") }
func (k *told) Begin(point string, _, _ any)     { k.add("begin " + point) }
func (k *told) End(point string, _, _ any)       { k.add("end " + point) }
func (k *told) Claim(_ *grpc.Server, tracer any) { k.add("Claim " + tracer.(string)) }

func (k *told) ClaimInside(look func(), tracer any) {
	k.add("ClaimInside " + tracer.(string))
	look()
}

func (k *told) ServeInside(look func(), lis net.Listener) net.Listener {
	k.add("ServeInside")
	look()
	return lis
}

// TestSink is told everything, and without one all is as it was.
func TestSink(t *testing.T) {
	s, lis, sd := grpc.NewServer(), servertest.Listen(), &grpc.ServiceDesc{}
	unchanged := []any{1, "insecure", grpc.EmptyServerOption{}, true, true, true, true}
	if diff := cmp.Diff(unchanged, everything(s, lis, sd)); diff != "" {
		t.Errorf("without a sink (-want +got):\n%s", diff)
	}
	Claim(s, "nobody")
	ClaimInside(func() { t.Error("nobody asked to look") }, "nobody")
	var k told
	Install(&k)
	defer installed.Store(nil)
	if diff := cmp.Diff(unchanged, everything(s, lis, sd)); diff != "" {
		t.Errorf("with a sink that changes nothing (-want +got):\n%s", diff)
	}
	Claim(s, "server")
	looked := false
	ClaimInside(func() { looked = true }, "server")
	if !looked {
		t.Error("the sink was not given the look")
	}
	want := "NewServer, NewServer returning, Creds, KeepaliveParams, RegisterService, " +
		"Serve, Serve returning, ServeInside, Stop, Stop returning, begin w, end w, " +
		"Claim server, ClaimInside server"
	if got := strings.Join(k, ", "); got != want {
		t.Errorf("told:\n got %s\nwant %s", got, want)
	}
}

// quiet is a sink for what it costs to reach one.
type quiet struct{ Sink }

func (quiet) Begin(string, any, any) {}
func (quiet) End(string, any, any)   {}

// TestAllocations: a point allocates nothing, with a sink or without.
func TestAllocations(t *testing.T) {
	s := grpc.NewServer()
	point := func() {
		begin("p", s, nil)
		end("p", s, nil)
	}
	if n := testing.AllocsPerRun(100, point); n != 0 {
		t.Errorf("%v allocations without a sink", n)
	}
	Install(quiet{})
	defer installed.Store(nil)
	if n := testing.AllocsPerRun(100, point); n != 0 {
		t.Errorf("%v allocations with a sink", n)
	}
}

// TestMarks: a point may be marked twice, and any number of times.
func TestMarks(t *testing.T) {
	had := Points()
	defer func() { marked = len(had) }()
	for range 2 * maxMarks {
		mark("b")
		mark("a")
	}
	want := slices.Compact(slices.Sorted(slices.Values(append(had, "a", "b"))))
	if diff := cmp.Diff(want, Points()); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

// BenchmarkPoint is what a point costs that nobody listens to, and one that is heard.
func BenchmarkPoint(b *testing.B) {
	s := grpc.NewServer()
	for name, k := range map[string]Sink{"none": nil, "quiet": quiet{}} {
		b.Run(name, func(b *testing.B) {
			if k != nil {
				Install(k)
				defer installed.Store(nil)
			}
			b.ReportAllocs()
			for b.Loop() {
				begin("p", s, nil)
				end("p", s, nil)
			}
		})
	}
}
