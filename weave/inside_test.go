// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/tracer"
)

// info is the point that is not called by hand elsewhere.
func (r registrar) GetServiceInfo() map[string]grpc.ServiceInfo {
	r.h.Begin(pointInfo, r.Server, nil)
	return r.Server.GetServiceInfo()
}

// TestLook finds the server that is asked on this goroutine, and no other that
// somebody asks meanwhile.
func TestLook(t *testing.T) {
	h := newByHand(t, expected)
	mine, other := registrar{h.newServer(), h}, registrar{h.newServer(), h}
	got := h.looks.inside(func() {
		asked := make(chan struct{})
		go func() { defer close(asked); other.GetServiceInfo() }()
		<-asked
		mine.GetServiceInfo()
	})
	if !slices.Equal(got, []*grpc.Server{mine.Server}) {
		t.Errorf("found %d servers, want the one that was asked here", len(got))
	}
	if got := h.looks.inside(func() { panic("not made yet") }); len(got) != 0 {
		t.Errorf("found %d servers in one that panics", len(got))
	}
	mine.GetServiceInfo() // nobody looks
	if got := h.looks.inside(func() {}); len(got) != 0 {
		t.Errorf("found %d servers by no question", len(got))
	}
}

// TestClaimInside: a server that package server has wrapped, of another type.
func TestClaimInside(t *testing.T) {
	h := newByHand(t, expected)
	s, own := registrar{h.newServer(), h}, h.tracer(t)
	h.ClaimInside(func() { s.GetServiceInfo() }, own)
	if o := h.of(s.Server).owner.Load(); o.t != own || !o.installs {
		t.Error("it is not the Tracer's of package server")
	}
}

// wrapping is what package xds makes of a listener.
type wrapping struct{ net.Listener }

// TestServeInside traces a server that wraps its listener: ours is inside.
func TestServeInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newByHand(t, without(inside...))
		s := registrar{h.newServer(), h}
		c, served := h.run(t, wrapped{s})
		go hello(c, 3*time.Second)
		synctest.Wait()
		s.GracefulStop()
		served()
		want(t, h, tracer.OutcomeGraceful)
		if n := len(h.of(s.Server).table().Snapshot().Listeners); n != 1 {
			t.Errorf("%d listeners are watched, want one, once", n)
		}
	})
}

// wrapped serves as xds.GRPCServer does.
type wrapped struct{ registrar }

func (w wrapped) Serve(lis net.Listener) error {
	lis = w.h.ServeInside(func() { w.GetServiceInfo() }, lis)
	return w.registrar.Serve(&wrapping{lis})
}

// TestOfXDS knows the listener of package xds by its type alone.
func TestOfXDS(t *testing.T) {
	lis := servertest.Listen()
	if ofXDS(lis) || ofXDS(&wrapping{lis}) || ofXDS(listenerWrapper{lis}) || ofXDS(&listenerWrapper{lis}) {
		t.Error("a listener of another package is taken for xds's")
	}
}

// TestOfXDSInGRPC looks for that type in the source of the grpc that this is tested
// with, the newest and the oldest: by another name every RPC of such a server would
// fail.
func TestOfXDSInGRPC(t *testing.T) {
	root := grpcSource(t)
	files, err := filepath.Glob(filepath.Join(root, "*", "*", "server", "listener_wrapper.go"))
	if err != nil || len(files) != 1 {
		t.Fatalf("xds makes its listener in %v, %v, want one file", files, err)
	}
	dir, err := filepath.Rel(root, filepath.Dir(files[0]))
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`(?s)func NewListenerWrapper\(.*?&(\w+)\{`).
		FindStringSubmatch(read(t, files[0]))
	if made == nil || !namedByXDS("google.golang.org/grpc/"+filepath.ToSlash(dir), made[1]) {
		t.Errorf("xds makes %v in %s, which is not known", made, dir)
	}
}

// listenerWrapper is called as xds's is.
type listenerWrapper struct{ net.Listener }
