// SPDX-License-Identifier: Apache-2.0

package accuracy

import (
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// boundary is where one phase ends and the next begins.
type boundary int

const (
	called     boundary = iota // grpc's stop begins
	closing                    // it begins to close listeners: quit is over
	closed                     // it has closed them: listener close is over
	shaken                     // its wait for accept loops and handshakes is over
	told                       // every transport has been told to go
	gone                       // its wait for connections is over
	returned                   // stop returns
	boundaries                 // how many there are
)

func (b boundary) String() string {
	return [...]string{
		"call", "first `Close`", "last `Close`", "end of handshake wait", "end of GOAWAY",
		"last connection gone", "call's end",
	}[b]
}

// moments are when each boundary was crossed; zero: it was not.
type moments [boundaries]watch.Instant

// ruler is told by grpc's own source when a stop crosses a boundary, of one server at
// a time. It changes nothing that grpc is given.
type ruler struct {
	mu     sync.Mutex // guards following
	server *grpc.Server
	table  *watch.Server
	since  watch.Instant // when the tracer was told of the stop
	at     moments
	woken  watch.Instant // the last time that a stop waited for connections
}

// forget makes the next server that is claimed the one that is measured.
func (r *ruler) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server, r.table, r.since, r.at, r.woken = nil, nil, 0, moments{}, 0
}

// claimed is the table of the server that is measured.
func (r *ruler) claimed() *watch.Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.table
}

// read returns what was told, and when the tracer was.
func (r *ruler) read() (at moments, since watch.Instant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at = r.at
	if at[gone] == 0 && at[returned] != 0 { // it waited for no handler
		at[gone] = max(r.woken, at[told])
	}
	return at, r.since
}

// Claim implements woven.Sink.
func (r *ruler) Claim(s *grpc.Server, t any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server, r.table = s, t.(*tracer.Tracer).Table()
}

// Stop implements woven.Sink. The first call is the one that is measured.
func (r *ruler) Stop(s *grpc.Server, _ bool) (returning func()) {
	if !r.cross(s, called) {
		return func() {}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since = r.table.WatchedSince()
	return func() { r.cross(s, returned) }
}

// Begin implements woven.Sink.
func (r *ruler) Begin(point string, recv, _ any) {
	switch point {
	case "closeListenersLocked":
		r.cross(recv, closing)
	case "handlersWG.Wait":
		r.cross(recv, gone)
	}
}

// End implements woven.Sink.
func (r *ruler) End(point string, recv, _ any) {
	switch point {
	case "closeListenersLocked":
		r.cross(recv, closed)
	case "serveWG.Wait":
		r.cross(recv, shaken)
	case "drainAllServerTransportsLocked", "closeServerTransportsLocked":
		r.cross(recv, told)
	case "cv.Wait":
		r.wake(recv)
	}
}

// cross reports whether b was crossed for the first time.
func (r *ruler) cross(recv any, b boundary) (first bool) {
	s, ok := recv.(*grpc.Server)
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s != r.server || r.at[b] != 0 {
		return false
	}
	r.at[b] = r.table.Now()
	return true
}

func (r *ruler) wake(recv any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := recv.(*grpc.Server); ok && s == r.server && r.at[gone] == 0 {
		r.woken = r.table.Now()
	}
}

// NewServer implements woven.Sink.
func (*ruler) NewServer(opts []grpc.ServerOption) ([]grpc.ServerOption, func(*grpc.Server)) {
	return opts, func(*grpc.Server) {}
}

// Creds implements woven.Sink.
func (*ruler) Creds(c credentials.TransportCredentials) credentials.TransportCredentials { return c }

// KeepaliveParams implements woven.Sink.
func (*ruler) KeepaliveParams(_ keepalive.ServerParameters, o grpc.ServerOption) grpc.ServerOption {
	return o
}

// RegisterService implements woven.Sink.
func (*ruler) RegisterService(_ *grpc.Server, sd *grpc.ServiceDesc) *grpc.ServiceDesc { return sd }

// Serve implements woven.Sink.
func (*ruler) Serve(_ *grpc.Server, lis net.Listener) (net.Listener, func()) {
	return lis, func() {}
}

// ClaimInside implements woven.Sink.
func (*ruler) ClaimInside(func(), any) {}

// ServeInside implements woven.Sink.
func (*ruler) ServeInside(_ func(), lis net.Listener) net.Listener { return lis }
