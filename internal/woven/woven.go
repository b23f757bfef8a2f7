// SPDX-License-Identifier: Apache-2.0

// Package woven is what an instrumented grpc-go calls: weave/orchestrion.yml links
// grpc's source to its functions by name. They pass everything on to the sink that
// package weave installs, and do nothing without one.
//
// They may be called before this package is initialised, since it imports grpc: no
// variable here has an initialiser. A change here has the whole of a program built
// anew, so there is little that could change.
package woven

import (
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// Sink is told what happens inside of grpc. Its methods must not panic.
type Sink interface {
	// NewServer is called when grpc.NewServer begins, and returns the options to
	// use instead; made is called with the result.
	NewServer(opts []grpc.ServerOption) (use []grpc.ServerOption, made func(*grpc.Server))
	// Creds returns the credentials that grpc.Creds is to use instead.
	Creds(c credentials.TransportCredentials) credentials.TransportCredentials
	// KeepaliveParams is given what grpc.KeepaliveParams made of kp, and returns
	// what it is to return instead.
	KeepaliveParams(kp keepalive.ServerParameters, o grpc.ServerOption) grpc.ServerOption
	// RegisterService returns the descriptor to register instead.
	RegisterService(s *grpc.Server, sd *grpc.ServiceDesc) *grpc.ServiceDesc
	// Serve returns the listener to serve instead; returning is called last.
	Serve(s *grpc.Server, lis net.Listener) (use net.Listener, returning func())
	// Stop is called when the function behind GracefulStop and Stop begins, before
	// it takes a lock; returning is called last, when it has let go of all.
	Stop(s *grpc.Server, graceful bool) (returning func())
	// Begin and End are called around any other point. recv is its receiver, a
	// *grpc.Server or a transport. At most points that one's lock is held: they must
	// neither block nor call it.
	Begin(point string, recv, arg any)
	End(point string, recv, arg any)
	// Claim says that package server announces the stops of s to a *tracer.Tracer.
	Claim(s *grpc.Server, tracer any)
	// ClaimInside is Claim for the server inside of one that is no *grpc.Server:
	// look calls its GetServiceInfo, by way of the other's.
	ClaimInside(look func(), tracer any)
	// ServeInside is Serve for such a server, before the other wraps lis.
	ServeInside(look func(), lis net.Listener) net.Listener
}

// installed is nil until there is a sink.
var installed atomic.Pointer[Sink]

// Install sets the sink.
func Install(s Sink) { installed.Store(&s) }

// Claim is called by package server: see [Sink]. Without a sink it does nothing.
func Claim(s *grpc.Server, tracer any) {
	if k := installed.Load(); k != nil {
		(*k).Claim(s, tracer)
	}
}

// ClaimInside is called by package server: see [Sink]. Without a sink it does
// nothing.
func ClaimInside(look func(), tracer any) {
	if k := installed.Load(); k != nil {
		(*k).ClaimInside(look, tracer)
	}
}

func newServer(opts []grpc.ServerOption) ([]grpc.ServerOption, func(*grpc.Server)) {
	if k := installed.Load(); k != nil {
		return (*k).NewServer(opts)
	}
	return opts, func(*grpc.Server) {}
}

func creds(c credentials.TransportCredentials) credentials.TransportCredentials {
	if k := installed.Load(); k != nil {
		return (*k).Creds(c)
	}
	return c
}

func keepaliveParams(kp keepalive.ServerParameters, o grpc.ServerOption) grpc.ServerOption {
	if k := installed.Load(); k != nil {
		return (*k).KeepaliveParams(kp, o)
	}
	return o
}

func registerService(s *grpc.Server, sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	if k := installed.Load(); k != nil {
		return (*k).RegisterService(s, sd)
	}
	return sd
}

func serve(s *grpc.Server, lis net.Listener) (net.Listener, func()) {
	if k := installed.Load(); k != nil {
		return (*k).Serve(s, lis)
	}
	return lis, func() {}
}

func serveInside(look func(), lis net.Listener) net.Listener {
	if k := installed.Load(); k != nil {
		return (*k).ServeInside(look, lis)
	}
	return lis
}

func stop(s *grpc.Server, graceful bool) func() {
	if k := installed.Load(); k != nil {
		return (*k).Stop(s, graceful)
	}
	return func() {}
}

func begin(point string, recv, arg any) {
	if k := installed.Load(); k != nil {
		(*k).Begin(point, recv, arg)
	}
}

func end(point string, recv, arg any) {
	if k := installed.Load(); k != nil {
		(*k).End(point, recv, arg)
	}
}

// wait is for the points that are a call of wait.
func wait(point string, recv any, wait func()) {
	begin(point, recv, nil)
	wait()
	end(point, recv, nil)
}
