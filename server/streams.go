// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// errDraining is what a stream that the drain has ended ends with. Clients take
// it for a reason to try again elsewhere.
var errDraining = status.Error(codes.Unavailable, "server is draining")

// streams are how a server's streaming RPCs learn of the drain, beyond
// [Server.Draining]. Nothing of it is in the way of a server without its options.
type streams struct {
	drained   *broadcast // the drain has begun; nil: no option needs it
	cancelled *broadcast // by CancelStreams; nil: not set
	after     time.Duration
	recv      map[string]bool // by EndRecv: pkg.Service/Method
	watches   bool            // Watch of health checks ends by itself: see Health
	// Of a server that Wrap has got: the streams registered through us. A client
	// can't make it grow.
	registered map[string]bool
}

// used reports whether streams are to be watched for the drain.
func (s *streams) used() bool { return s.cancelled != nil || len(s.recv) > 0 }

// needDrained makes sure that streams are told of the drain.
func (s *streams) needDrained() {
	if s.drained == nil {
		s.drained = newBroadcast()
	}
}

// intercept is for a server that New makes. It stands outside of the sensors,
// which must see for how long a handler is in Recv, and of the application's
// chained interceptors.
func (s *streams) intercept(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler,
) error {
	return s.handle(srv, ss, info.FullMethod, handler)
}

// describe is the same for a server that exists.
func (s *streams) describe(sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	return wrapStreams(sd, func(full string, inner grpc.StreamHandler) grpc.StreamHandler {
		if s.registered == nil {
			s.registered = make(map[string]bool)
		}
		s.registered[strings.TrimPrefix(full, "/")] = true
		return func(srv any, ss grpc.ServerStream) error { return s.handle(srv, ss, full, inner) }
	})
}

// wrapStreams returns a copy of sd with other handlers for its streams.
func wrapStreams(sd *grpc.ServiceDesc,
	wrap func(fullMethod string, inner grpc.StreamHandler) grpc.StreamHandler,
) *grpc.ServiceDesc {
	if sd == nil {
		return sd
	}
	d := *sd
	d.Streams = slices.Clone(sd.Streams)
	for i := range d.Streams {
		m := &d.Streams[i]
		m.Handler = wrap("/"+sd.ServiceName+"/"+m.StreamName, m.Handler)
	}
	return &d
}

// handle gives a handler the stream that the options ask for.
func (s *streams) handle(srv any, ss grpc.ServerStream, fullMethod string,
	handler grpc.StreamHandler,
) error {
	own := &stream{ServerStream: ss}
	if s.cancelled != nil && (!s.watches || fullMethod != healthv1.Health_Watch_FullMethodName) {
		ctx, stop := s.cancellable(ss.Context())
		defer stop()
		own.ctx = ctx
	}
	if s.recv[strings.TrimPrefix(fullMethod, "/")] {
		r := newReceiver(ss)
		defer s.drained.listen(r.drain)()
		defer r.close()
		own.receiver = r
	}
	return handler(srv, own)
}

// stream is what a handler gets. It is never pooled: a handler may use its
// stream after it has returned.
type stream struct {
	grpc.ServerStream
	ctx      context.Context // nil: the client's
	receiver *receiver       // nil: not of EndRecv
}

// Context implements grpc.ServerStream.
func (s *stream) Context() context.Context {
	if s.ctx == nil {
		return s.ServerStream.Context()
	}
	return s.ctx
}

// ClientContext is the one that ends with the client's call, and not before. The
// sensors ask for it.
func (s *stream) ClientContext() context.Context { return s.ServerStream.Context() }

// RecvMsg implements grpc.ServerStream.
func (s *stream) RecvMsg(m any) error {
	if s.receiver == nil {
		return s.ServerStream.RecvMsg(m)
	}
	return s.receiver.recvMsg(m)
}

// check reports methods that are named and not there.
func (s *streams) check(services map[string]grpc.ServiceInfo, wrapped bool) error {
	var errs []error
	for name := range s.recv {
		errs = append(errs, s.checkRecv(name, services, wrapped))
	}
	slices.SortFunc(errs, compareErrors)
	return errors.Join(errs...)
}
