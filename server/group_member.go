// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
)

// member is a Member of a group that has one.
type member struct {
	Member
	unit   unit
	bound  net.Listener   // on Addr
	served []net.Listener // bound and the application's
	after  []*member
	later  int // stages that come after it

	stopped chan struct{} // closed when its stop is over, or was given up
	err     error         // what came of it; set before
}

// unit is what a member consists of.
type unit interface {
	// stop stops it within ctx, and has its bars begun. It is called once.
	stop(ctx context.Context, t *turn) error
}

// serverUnit is one that listens.
type serverUnit interface {
	unit
	// install has accepts called with 1 when a listener is accepted from for the
	// first time. It is called before serve, which is called for each listener.
	install(listeners int, accepts func(n int))
	// serve returns what was wrong. bound says that the group has made the listener.
	serve(lis net.Listener, bound bool) error
}

// errOutside is why a server does not serve any more if the group did not stop it.
var errOutside = errors.New("it was stopped, but not by the group")

// grpcUnit is a grpc server.
type grpcUnit struct {
	srv     *Server
	accepts func(n int)
}

// install implements serverUnit. Of a server of another type than grpc's it is not
// known when it accepts, if ever.
func (u *grpcUnit) install(_ int, accepts func(n int)) {
	if _, known := u.srv.grpc.(*grpc.Server); known {
		u.srv.t.Table().OnServe(func() { accepts(1) })
	} else {
		u.accepts = accepts
	}
}

func (u *grpcUnit) serve(lis net.Listener, _ bool) error {
	if u.accepts != nil {
		u.accepts(1)
	}
	err := u.srv.Serve(lis)
	if err == nil || errors.Is(err, grpc.ErrServerStopped) {
		return errOutside
	}
	return err
}

func (u *grpcUnit) stop(ctx context.Context, t *turn) error { return u.srv.shutdownIn(ctx, t) }

// shutdownIn is Shutdown in a group: ctx has the budget, unless the server has a
// smaller one of its own. The group flushes.
func (s *Server) shutdownIn(ctx context.Context, t *turn) error {
	if s.broken != nil {
		return s.broken
	}
	deadline, _ := ctx.Deadline() // the group's contexts have one
	ctx, cancel := context.WithTimeout(ctx, s.within(time.Until(deadline)))
	defer cancel()
	return s.shutdown(ctx, t.begin("grpc"))
}

// closeUnit is something to close.
type closeUnit struct {
	f func(context.Context) error
}

func (u *closeUnit) stop(ctx context.Context, t *turn) error {
	t.begin("close")
	return recovered(func() error { return u.f(ctx) })
}

// recovered calls f and turns a panic into an error.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = panicError(v)
		}
	}()
	return f()
}

// panicError keeps an error that was panicked with, and where that was.
func panicError(v any) error {
	if err, ok := v.(error); ok {
		return fmt.Errorf("panic: %w", err)
	}
	return fmt.Errorf("panic: %v", v)
}
