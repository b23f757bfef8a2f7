// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"weak"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/option"
	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// sink is what the points tell. It installs the same sensors that package server
// does, in grpc's own functions.
type sink struct {
	points points
	// base makes the Tracer of all servers that have none. It is nil if the
	// environment is wrong: nothing is traced then, and the log says why.
	base    func() *tracer.Tracer
	servers sync.Map // weak.Pointer[grpc.Server] to *entry
	looks   looks
	conns   conns
}

func newSink(p points) *sink {
	return &sink{points: p, conns: conns{points: p}, base: sync.OnceValue(func() *tracer.Tracer {
		t, err := tracer.New(context.Background())
		if err != nil {
			slog.Default().Error("compiled in, but no shutdown is traced", "error", err.Error())
			return nil
		}
		p.say(t.Logger())
		return t
	})}
}

// owned is implemented by every option with which package interceptors has a Tracer
// watch a server.
type owned interface{ Tracer() *tracer.Tracer }

// NewServer implements woven.Sink.
func (k *sink) NewServer(opts []grpc.ServerOption) ([]grpc.ServerOption, func(*grpc.Server)) {
	use, e := opts, k.newEntry(nil)
	k.guard(func() {
		for _, o := range opts {
			if own, ok := o.(owned); ok && own.Tracer() != nil {
				e.owner.Store(&owner{t: own.Tracer()})
				return
			}
		}
		if t := k.base(); t != nil {
			e.sensors = t.ForServer()
			e.owner.Store(&owner{t: e.sensors})
			use = interceptors.Install(e.sensors, opts)
			if !k.points.has(pointRegister) { // nobody wraps the descriptors
				unary := interceptors.ServerOptions(e.sensors)[:1]
				use = append(unary, use...)
			}
		}
	})
	return use, func(s *grpc.Server) { k.guard(func() { k.keep(s, e) }) }
}

// keep remembers a server for as long as the program does.
func (k *sink) keep(s *grpc.Server, e *entry) *entry {
	if s == nil { // NewServer has panicked
		return e
	}
	key := weak.Make(s)
	if old, ok := k.servers.LoadOrStore(key, e); ok {
		return old.(*entry)
	}
	runtime.AddCleanup(s, func(key weak.Pointer[grpc.Server]) { k.servers.Delete(key) }, key)
	e.watched(s)
	return e
}

// of returns a server, one that was made too early to be seen as well.
func (k *sink) of(s *grpc.Server) *entry {
	if e, ok := k.servers.Load(weak.Make(s)); ok {
		return e.(*entry)
	}
	e := k.newEntry(nil)
	e.late = true
	if t := k.base(); t != nil {
		e.owner.Store(&owner{t: t.ForServer()})
	}
	return k.keep(s, e)
}

// Claim implements woven.Sink.
func (k *sink) Claim(s *grpc.Server, t any) {
	k.guard(func() {
		own, ok := t.(*tracer.Tracer)
		if !ok {
			return
		}
		e := k.keep(s, k.newEntry(own))
		e.owner.Store(&owner{t: own, installs: true})
		e.watched(s)
	})
}

// Creds implements woven.Sink.
func (k *sink) Creds(c credentials.TransportCredentials) credentials.TransportCredentials {
	use := c
	k.guard(func() {
		// Whose connection it is, that tells: any Tracer will do.
		use = interceptors.Credentials(new(tracer.Tracer), c)
	})
	return use
}

// KeepaliveParams implements woven.Sink.
func (k *sink) KeepaliveParams(kp keepalive.ServerParameters, o grpc.ServerOption) grpc.ServerOption {
	return option.Keepalive{ServerOption: o, Params: kp}
}

// RegisterService implements woven.Sink.
func (k *sink) RegisterService(s *grpc.Server, sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	use := sd
	k.guard(func() { use = k.of(s).describe(sd) })
	return use
}

// Serve implements woven.Sink.
func (k *sink) Serve(s *grpc.Server, lis net.Listener) (net.Listener, func()) {
	use, returning := lis, func() {}
	k.guard(func() { use, returning = k.of(s).serve(lis) })
	return use, func() { k.guard(returning) }
}

// Stop implements woven.Sink.
func (k *sink) Stop(s *grpc.Server, graceful bool) (returning func()) {
	returning = func() {}
	k.guard(func() {
		e := k.of(s)
		ended := e.stop(graceful)
		returning = func() {
			k.guard(e.connsGone)
			k.guard(ended)
		}
	})
	return returning
}

// Begin implements woven.Sink.
func (k *sink) Begin(point string, recv, arg any) {
	k.guard(func() { k.begin(point, recv, arg) })
}

func (k *sink) begin(point string, recv, arg any) {
	switch point {
	case pointAddConn:
		k.with(recv, (*entry).inUse)
		k.conns.added(arg)
	case pointListeners:
		k.cross(recv, watch.ListenersClosing)
	case pointHandlerWait:
		k.cross(recv, watch.ConnsGone)
	case pointInfo:
		k.looks.found(recv)
	case pointRawConn:
		k.conns.accepted(arg)
	case pointStreams:
		k.conns.serving(recv, arg)
	case pointGoAway:
		k.conns.tell(recv, (*watch.Conn).GoAwayQueued)
	case pointGoAwayOut:
		k.conns.tell(recv, (*watch.Conn).GoAwayBegin)
	case pointConnClose:
		k.conns.tell(recv, (*watch.Conn).Closing)
	}
}

// End implements woven.Sink.
func (k *sink) End(point string, recv, arg any) {
	k.guard(func() { k.end(point, recv, arg) })
}

func (k *sink) end(point string, recv, arg any) {
	switch point {
	case pointListeners:
		k.cross(recv, watch.ListenersClosed)
	case pointServeWait:
		k.cross(recv, watch.HandshakesOver)
	case pointDrain, pointClose:
		k.cross(recv, watch.GoAwayQueued)
	case pointConnWait:
		k.with(recv, (*entry).woke)
	case pointRawConn:
		k.conns.shaken(arg)
	case pointStreams:
		k.conns.streamed(recv)
	case pointGoAwayOut:
		k.conns.tell(recv, (*watch.Conn).GoAwayEnd)
	case pointRemoveConn:
		k.conns.removed(arg)
	}
}

func (k *sink) cross(recv any, b watch.Boundary) {
	k.with(recv, func(e *entry) { e.cross(b) })
}

func (k *sink) with(recv any, f func(*entry)) {
	s, ok := recv.(*grpc.Server)
	if !ok {
		return
	}
	if e, ok := k.servers.Load(weak.Make(s)); ok && e.(*entry).table() != nil {
		f(e.(*entry))
	}
}

// guard keeps a fault of ours away from the application.
func (k *sink) guard(f func()) {
	defer func() {
		if v := recover(); v != nil {
			defer func() { _ = recover() }() // the logger may be the fault
			slog.Default().Error("gracetrace: a fault in the compiled-in mode", "panic", fmt.Sprint(v))
		}
	}()
	f()
}
