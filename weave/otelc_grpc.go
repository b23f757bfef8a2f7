// SPDX-License-Identifier: Apache-2.0

//go:build ignore

// What otelc.yaml adds to package grpc: see orchestrion.yml.

package weave

import (
	"context"
	"net"
	_ "unsafe" // for go:linkname

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/internal/transport"
	"google.golang.org/grpc/keepalive"
)

//go:linkname __gracetrace_mark github.com/gracetrace/gracetrace/internal/woven.mark
func __gracetrace_mark(string)

//go:linkname __gracetrace_newServer github.com/gracetrace/gracetrace/internal/woven.newServer
func __gracetrace_newServer([]ServerOption) ([]ServerOption, func(*Server))

//go:linkname __gracetrace_creds github.com/gracetrace/gracetrace/internal/woven.creds
func __gracetrace_creds(credentials.TransportCredentials) credentials.TransportCredentials

//go:linkname __gracetrace_keepaliveParams github.com/gracetrace/gracetrace/internal/woven.keepaliveParams
func __gracetrace_keepaliveParams(keepalive.ServerParameters, ServerOption) ServerOption

//go:linkname __gracetrace_registerService github.com/gracetrace/gracetrace/internal/woven.registerService
func __gracetrace_registerService(*Server, *ServiceDesc) *ServiceDesc

//go:linkname __gracetrace_serve github.com/gracetrace/gracetrace/internal/woven.serve
func __gracetrace_serve(*Server, net.Listener) (net.Listener, func())

//go:linkname __gracetrace_stop github.com/gracetrace/gracetrace/internal/woven.stop
func __gracetrace_stop(*Server, bool) func()

//go:linkname __gracetrace_begin github.com/gracetrace/gracetrace/internal/woven.begin
func __gracetrace_begin(string, any, any)

//go:linkname __gracetrace_end github.com/gracetrace/gracetrace/internal/woven.end
func __gracetrace_end(string, any, any)

// A rule can't mark itself: it injects statements only. What is exported stays; of
// the rest the methods are asked for. Where the statement of a wait has changed the
// build fails, and says which.
func init() {
	for _, point := range []string{
		"NewServer", "Creds", "KeepaliveParams", "RegisterService", "Serve", "GetServiceInfo",
		"serveWG.Wait", "cv.Wait", "handlersWG.Wait",
	} {
		__gracetrace_mark(point)
	}
	var s any = (*Server)(nil)
	if _, ok := s.(interface{ stop(graceful bool) }); ok {
		__gracetrace_mark("stop")
	}
	if _, ok := s.(interface{ closeListenersLocked() }); ok {
		__gracetrace_mark("closeListenersLocked")
	}
	if _, ok := s.(interface{ drainAllServerTransportsLocked() }); ok {
		__gracetrace_mark("drainAllServerTransportsLocked")
	}
	if _, ok := s.(interface{ closeServerTransportsLocked() }); ok {
		__gracetrace_mark("closeServerTransportsLocked")
	}
	if _, ok := s.(interface {
		handleRawConn(lisAddr string, rawConn net.Conn)
	}); ok {
		__gracetrace_mark("handleRawConn")
	}
	if _, ok := s.(interface {
		serveStreams(ctx context.Context, st transport.ServerTransport, rawConn net.Conn)
	}); ok {
		__gracetrace_mark("serveStreams")
	}
	if _, ok := s.(interface {
		addConn(addr string, st transport.ServerTransport) bool
	}); ok {
		__gracetrace_mark("addConn")
	}
	if _, ok := s.(interface {
		removeConn(addr string, st transport.ServerTransport)
	}); ok {
		__gracetrace_mark("removeConn")
	}
}
