// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"net"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
)

// looks finds the grpc server inside of another type of server, as xds.GRPCServer
// is one: GetServiceInfo is a point, and has no effect.
type looks struct {
	mu  sync.Mutex // one look at a time
	now atomic.Pointer[[]*grpc.Server]
}

// inside returns the servers whose GetServiceInfo look calls on this goroutine.
func (l *looks) inside(look func()) (servers []*grpc.Server) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { _ = recover() }() // the other type's GetServiceInfo is the application's
	l.now.Store(&servers)
	defer l.now.Store(nil)
	l.look(look)
	return servers
}

// look is a mark: what is called below it belongs to this look.
//
//go:noinline
func (*looks) look(look func()) { look() }

// lookName is its name on the stack, lookDepth how far up that is looked for.
const (
	lookName  = "github.com/gracetrace/gracetrace/weave.(*looks).look"
	lookDepth = 64
)

// found is called by every GetServiceInfo, of which hardly any belongs to a look.
func (l *looks) found(recv any) {
	servers := l.now.Load()
	s, ok := recv.(*grpc.Server)
	if servers == nil || !ok {
		return
	}
	pcs := make([]uintptr, lookDepth)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for more := true; more; {
		var f runtime.Frame
		if f, more = frames.Next(); f.Function == lookName {
			*servers = append(*servers, s)
			return
		}
	}
}

// ClaimInside implements woven.Sink.
func (k *sink) ClaimInside(look func(), t any) {
	k.guard(func() {
		for _, s := range k.looks.inside(look) {
			k.Claim(s, t)
		}
	})
}

// ServeInside implements woven.Sink. The listener is watched below what its wrapper
// makes of it.
func (k *sink) ServeInside(look func(), lis net.Listener) net.Listener {
	use := lis
	k.guard(func() {
		servers := k.looks.inside(look)
		if len(servers) != 1 || lis == nil {
			return
		}
		e := k.of(servers[0])
		if own := e.owner.Load(); own.t != nil && !own.installs {
			use = interceptors.Listener(own.t, lis)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.inside = true
		}
	})
	return use
}

func (e *entry) servedInside() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.inside
}

// ofXDS reports whether a listener is the one that package xds makes. Its server
// asserts the type of the connections, and refuses all RPCs on others.
func ofXDS(lis net.Listener) bool {
	t := reflect.TypeOf(lis)
	return t.Kind() == reflect.Pointer && namedByXDS(t.Elem().PkgPath(), t.Elem().Name())
}

func namedByXDS(pkg, typ string) bool {
	return typ == "listenerWrapper" && strings.HasPrefix(pkg, "google.golang.org/grpc/")
}
