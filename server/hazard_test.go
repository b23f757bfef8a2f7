// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/tap"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/tracer"
)

// doors keep who comes to them from when they are shut until they are opened.
type doors struct {
	mu     sync.Mutex // guards following
	opened chan struct{}
}

func (d *doors) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.opened = make(chan struct{})
}

func (d *doors) open() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened != nil {
		close(d.opened)
		d.opened = nil
	}
}

func (d *doors) pass() {
	d.mu.Lock()
	opened := d.opened
	d.mu.Unlock()
	if opened != nil {
		<-opened
	}
}

// hazard is code of an application's that hangs while the doors are shut.
type hazard struct {
	name string
	// locks says that it hangs with a mutex of grpc's: others wait for that, which
	// stops a bubble's clock.
	locks   bool
	orphans bool // it keeps a handler that outlives the forced stop
	opts    func(d *doors, tr *tracer.Tracer) []grpc.ServerOption
	listen  func(d *doors, l net.Listener) net.Listener
	log     func(d *doors) slog.Handler
}

// hazards are all places in which grpc, or we, call an application's code.
var hazards = []hazard{
	{name: "stats handler TagConn", opts: statsAt("TagConn")},
	{name: "stats handler ConnBegin", opts: statsAt("ConnBegin")},
	{name: "stats handler ConnEnd", opts: statsAt("ConnEnd")},
	{name: "stats handler TagRPC", opts: statsAt("TagRPC"), locks: true}, // the transport's
	{name: "stats handler HandleRPC", orphans: true, opts: statsAt("HandleRPC")},
	{name: "tap handle", locks: true, opts: func(d *doors, _ *tracer.Tracer) []grpc.ServerOption {
		return []grpc.ServerOption{grpc.InTapHandle(
			func(ctx context.Context, _ *tap.Info) (context.Context, error) { d.pass(); return ctx, nil },
		)}
	}},
	{name: "credentials", opts: func(d *doors, tr *tracer.Tracer) []grpc.ServerOption {
		return []grpc.ServerOption{grpc.Creds(interceptors.Credentials(tr,
			&askingCredentials{insecure.NewCredentials(), d}))}
	}},
	{name: "outer interceptors", orphans: true, opts: func(d *doors, _ *tracer.Tracer) []grpc.ServerOption {
		return []grpc.ServerOption{
			grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo,
				h grpc.UnaryHandler) (any, error) {
				d.pass()
				return h(ctx, req)
			}),
			grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo,
				h grpc.StreamHandler) error {
				d.pass()
				return h(srv, ss)
			}),
		}
	}},
	{name: "listener Accept", listen: func(d *doors, l net.Listener) net.Listener {
		return &hungListener{Listener: l, doors: d, accept: true}
	}},
	{name: "listener Close", locks: true, listen: func(d *doors, l net.Listener) net.Listener {
		return &hungListener{Listener: l, doors: d, close: true}
	}},
	{name: "connection Close", locks: true, listen: func(d *doors, l net.Listener) net.Listener {
		return &hungListener{Listener: l, doors: d, conn: "Close"}
	}},
	{name: "connection Write", locks: true, listen: func(d *doors, l net.Listener) net.Listener {
		return &hungListener{Listener: l, doors: d, conn: "Write"}
	}},
	{name: "logger", log: func(d *doors) slog.Handler { return &hungLog{slog.DiscardHandler, d} }},
}

// statsAt installs a stats.Handler that hangs at one of its calls.
func statsAt(call string) func(*doors, *tracer.Tracer) []grpc.ServerOption {
	return func(d *doors, _ *tracer.Tracer) []grpc.ServerOption {
		return []grpc.ServerOption{grpc.StatsHandler(&hungStats{d, call})}
	}
}

type hungStats struct {
	*doors
	call string
}

func (h *hungStats) at(call string) {
	if h.call == call {
		h.pass()
	}
}

func (h *hungStats) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	h.at("TagConn")
	return ctx
}

func (h *hungStats) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	h.at("TagRPC")
	return ctx
}

func (h *hungStats) HandleRPC(context.Context, stats.RPCStats) { h.at("HandleRPC") }

func (h *hungStats) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnEnd); ok {
		h.at("ConnEnd")
		return
	}
	h.at("ConnBegin")
}

// askingCredentials ask somebody for each handshake.
type askingCredentials struct {
	credentials.TransportCredentials
	*doors
}

func (c *askingCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c.pass()
	return c.TransportCredentials.ServerHandshake(conn)
}

// hungListener is one of an application's own.
type hungListener struct {
	net.Listener
	*doors
	accept, close bool
	conn          string // the method of its connections that hangs
}

// Accept does not return while the doors are shut, not even with an error.
func (l *hungListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if l.accept {
		l.pass()
	}
	if err != nil {
		return nil, err
	}
	if l.conn != "" {
		c = &hungConn{c, l.doors, l.conn}
	}
	return c, nil
}

func (l *hungListener) Close() error {
	if l.close {
		l.pass()
	}
	return l.Listener.Close()
}

// hungConn is a connection of an application's own. NetConn is not offered: not
// all do.
type hungConn struct {
	net.Conn
	*doors
	at string
}

func (c *hungConn) Write(p []byte) (int, error) {
	if c.at == "Write" {
		c.pass()
	}
	return c.Conn.Write(p)
}

func (c *hungConn) Close() error {
	if c.at == "Close" {
		c.pass()
	}
	return c.Conn.Close()
}

// hungLog is a log handler that hangs.
type hungLog struct {
	slog.Handler
	*doors
}

func (*hungLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *hungLog) Handle(context.Context, slog.Record) error {
	l.pass()
	return nil
}
