// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/tracer"
)

const (
	// healthFlip bounds how long Shutdown of a health server may take, and
	// healthShare by which part of the budget. That of grpc's takes microseconds.
	healthFlip  = time.Second
	healthShare = 10
	healthLeast = 10 * time.Millisecond
	// healthTold bounds how long a Watch may take to send NOT_SERVING.
	healthTold = time.Second
)

// Health makes the server's health a part of its stop. h, such as grpc's
// *health.Server, is told first of all: its Shutdown is to make every service
// NOT_SERVING. So it is before a lame duck, in which clients and readiness probes
// can see it. With [Server.GracefulStop] and [Server.Stop], too.
//
// The streams of Watch are ended when NOT_SERVING has been sent on them and the
// server drains: they would hold GracefulStop for ever
// (https://github.com/grpc/grpc-go/issues/8882). One that has nothing more to
// send, as of a service that is not known, is ended at once, and every one after
// 1 s. Their clients get Unavailable "server is draining", and try again
// elsewhere.
//
// It registers nothing: register the health service as ever, with this server if
// its streams are to end:
//
//	h := health.NewServer()
//	srv := server.New(t, server.Health(h))
//	healthpb.RegisterHealthServer(srv, h)
//
// h may have a service of its own, on another server. A Shutdown that panics or
// takes longer than 1 s, or a tenth of the budget, is logged and not waited for.
// By default, no health server is told.
func Health(h interface{ Shutdown() }) grpc.ServerOption {
	return option{apply: func(s *Server) error {
		if own, ok := h.(*health.Server); h == nil || ok && own == nil {
			return errors.New("server: Health(nil): there is no health server")
		}
		s.health = h
		s.ending.needDrained()
		return nil
	}}
}

// notServer is told before clients are: *health.Server is one.
type notServer interface{ Shutdown() }

// notServing tells health checks that the server is leaving. A Stop does not wait
// for that.
func (s *Server) notServing(ctx context.Context, st *stop) {
	if s.health == nil {
		return
	}
	defer st.trace.Step(tracer.PhaseNotServing)()
	done := make(chan struct{})
	go func() { // waited for below, unless it blocks
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				s.t.Logger().Error("health server not shut down", "err", fmt.Sprintf("panic: %v", v))
			}
		}()
		s.health.Shutdown()
	}()
	limit := healthFlip
	if d, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(d)/healthShare, healthLeast))
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-st.hurry:
	case <-timer.C:
		s.t.Logger().Error("health server not shut down", "err", "not done after "+limit.String())
	}
}

// describeHealth ends the Watch streams of a health service.
func (s *streams) describeHealth(sd *grpc.ServiceDesc) *grpc.ServiceDesc {
	if sd == nil || sd.ServiceName != healthv1.Health_ServiceDesc.ServiceName {
		return sd
	}
	return wrapStreams(sd, func(full string, inner grpc.StreamHandler) grpc.StreamHandler {
		if full != healthv1.Health_Watch_FullMethodName {
			return inner
		}
		s.watches = true
		return func(srv any, ss grpc.ServerStream) error { return s.watchHealth(srv, ss, inner) }
	})
}

// watchHealth is a Watch that ends when its client has been told.
func (s *streams) watchHealth(srv any, ss grpc.ServerStream, handler grpc.StreamHandler) error {
	w := &healthStream{ServerStream: ss}
	w.ctx, w.cancel = context.WithCancelCause(ss.Context())
	defer w.end()
	defer s.drained.listen(w.drain)()
	err := handler(srv, w)
	if err != nil && context.Cause(w.ctx) == errDraining { //nolint:errorlint // that very one
		return errDraining
	}
	return err
}

// healthStream knows what its client has been told.
type healthStream struct {
	grpc.ServerStream
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex // guards following
	told     bool       // what was sent last is not SERVING: nothing more comes
	draining bool
	timer    *time.Timer // since the drain
}

// Context implements grpc.ServerStream.
func (w *healthStream) Context() context.Context { return w.ctx }

// SendMsg implements grpc.ServerStream.
func (w *healthStream) SendMsg(m any) error {
	err := w.ServerStream.SendMsg(m)
	res, ok := m.(*healthv1.HealthCheckResponse)
	if !ok || err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = res.GetStatus() != healthv1.HealthCheckResponse_SERVING
	if w.told && w.draining {
		w.cancel(errDraining)
	}
	return nil
}

// drain is called once, when the server drains.
func (w *healthStream) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.draining = true
	if w.told {
		w.cancel(errDraining)
		return
	}
	if w.ctx.Err() == nil {
		w.timer = time.AfterFunc(healthTold, func() { w.cancel(errDraining) })
	}
}

// end is called when the handler has returned.
func (w *healthStream) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cancel(nil)
	if w.timer != nil {
		w.timer.Stop()
	}
}
