// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/woven"
	"github.com/gracetrace/gracetrace/tracer"
)

// GRPC is what [Wrap] needs of a server. *grpc.Server and *xds.GRPCServer have
// it.
type GRPC interface {
	grpc.ServiceRegistrar
	GetServiceInfo() map[string]grpc.ServiceInfo
	Serve(net.Listener) error
	GracefulStop()
	Stop()
}

// Server is a grpc server whose shutdown is traced. It is a
// grpc.ServiceRegistrar. Its methods are safe for concurrent use, as far as
// grpc's are.
type Server struct {
	grpc  GRPC
	t     *tracer.Tracer
	grace time.Duration
	// ownGrace says that grace is this server's, whatever a group has.
	ownGrace bool
	duck     time.Duration // lame duck
	health   notServer     // nil: the application has given none
	flushes  []flush
	flushing atomic.Bool
	flushed  chan struct{} // closed when they are over
	streams  bool          // descriptors of streams are wrapped
	services registered
	ending   streams
	broken   error

	http     httpRPCs
	draining chan struct{} // closed when grpc's stop is about to be called
	announce sync.Once
	over     chan struct{} // closed when the stop and its flush are over

	mu   sync.Mutex // guards following
	stop *stop      // the first stop call
}

// New makes a grpc server with the sensors installed. opts are grpc's own and
// this package's, in one list; interceptors in it keep their order. TLS is
// watched if its credentials are; others than TLS must be, if they look at the
// connection's type:
//
//	server.New(t, grpc.Creds(interceptors.Credentials(t, creds)))
//
// With a nil tracer, or an option with a bad value, Serve returns an error that
// says so.
func New(t *tracer.Tracer, opts ...grpc.ServerOption) *Server {
	s := newServer(t)
	opts = s.configure(opts)
	if s.t != nil {
		opts = interceptors.Install(s.t, opts)
	}
	if s.ending.used() {
		opts = append([]grpc.ServerOption{grpc.ChainStreamInterceptor(s.ending.intercept)}, opts...)
	}
	srv := grpc.NewServer(opts...)
	if s.t != nil {
		s.t.Table().SetAddress(fmt.Sprintf("%p", srv))
		woven.Claim(srv, s.t)
	}
	s.grpc = srv
	return s
}

// Wrap traces the shutdown of a server that exists, before services are
// registered with it: RPCs of services that are registered through the result
// are seen, inside the server's interceptors if they are streams. Register,
// Serve and stop through the result, or it does not see them. opts are this
// package's own, such as [GracePeriod]; with one of grpc's Serve returns an
// error, for it came too late.
func Wrap(srv GRPC, t *tracer.Tracer, opts ...grpc.ServerOption) *Server {
	s := newServer(t)
	if rest := s.configure(opts); len(rest) > 0 {
		s.broken = errors.Join(s.broken, fmt.Errorf(
			"server.Wrap: %T is an option of grpc.NewServer", rest[0]))
	}
	s.grpc, s.streams = srv, true
	switch own, ok := srv.(*grpc.Server); {
	case s.t == nil || srv == nil || ok && own == nil:
	case ok:
		s.t.Table().SetAddress(fmt.Sprintf("%p", own))
		woven.Claim(own, s.t)
	default:
		woven.ClaimInside(func() { srv.GetServiceInfo() }, s.t)
	}
	if srv == nil {
		s.grpc = noServer{}
		s.broken = errors.Join(s.broken, errors.New("server.Wrap: the server is nil"))
	}
	return s
}

// noServer stands for a server that is nil: Serve says so, nothing panics.
type noServer struct{}

func (noServer) RegisterService(*grpc.ServiceDesc, any)      {}
func (noServer) GetServiceInfo() map[string]grpc.ServiceInfo { return nil }
func (noServer) Serve(net.Listener) error                    { return grpc.ErrServerStopped }
func (noServer) GracefulStop()                               {}
func (noServer) Stop()                                       {}

func newServer(t *tracer.Tracer) *Server {
	s := &Server{draining: make(chan struct{}), flushed: make(chan struct{}), over: make(chan struct{})}
	if t == nil {
		s.broken = errors.New("server: the *tracer.Tracer is nil: make one with tracer.New")
	} else {
		s.t = t.ForServer()
	}
	s.grace, s.broken = gracePeriod(s.broken)
	return s
}

// Unwrap returns the grpc server. Stopping it directly is not traced.
func (s *Server) Unwrap() GRPC { return s.grpc }

// RegisterService implements grpc.ServiceRegistrar.
func (s *Server) RegisterService(sd *grpc.ServiceDesc, impl any) {
	if s.health != nil {
		sd = s.ending.describeHealth(sd)
	}
	if s.t != nil {
		sd = interceptors.Describe(s.t, sd, s.streams)
	}
	if s.streams && s.ending.used() {
		sd = s.ending.describe(sd)
	}
	if sd != nil {
		s.services.add(sd.ServiceName)
	}
	s.grpc.RegisterService(sd, impl)
}

// GetServiceInfo returns what grpc's returns; package reflection asks for it.
func (s *Server) GetServiceInfo() map[string]grpc.ServiceInfo { return s.grpc.GetServiceInfo() }

// Serve accepts connections on lis until the server stops, as grpc's Serve
// does; call it once for each of several listeners. After a stop it returns nil
// once the stop and its flush are over. Called after a stop it closes lis and
// returns grpc.ErrServerStopped.
func (s *Server) Serve(lis net.Listener) error {
	if s.broken != nil {
		return s.broken
	}
	if lis == nil {
		return errors.New("server: Serve: the listener is nil")
	}
	if err := s.ending.check(s.grpc.GetServiceInfo(), s.streams); err != nil {
		return err
	}
	if st := s.stopping(); st != nil {
		_ = lis.Close()
		return fmt.Errorf("server: Serve of %s after a stop, it was never served: %w",
			lis.Addr(), grpc.ErrServerStopped)
	}
	if !s.t.Table().Intercepted.Load() {
		warnOf(s.t.Logger(), s.services.unseen(s.grpc.GetServiceInfo(), s.streams))
	}
	// grpc's Serve waits for handlers on some versions, even after Stop.
	served := make(chan error, 1)
	go func() { served <- s.grpc.Serve(interceptors.Listener(s.t, lis)) }()
	select {
	case err := <-served:
		if s.stopping() != nil {
			<-s.over
		}
		return err
	case <-s.over:
		if s.stopping().abandoned() {
			return nil
		}
		return <-served
	}
}

// stopping returns the first stop call, nil if there was none.
func (s *Server) stopping() *stop {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stop
}
