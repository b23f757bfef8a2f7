// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/tracer"
)

// LameDuck sets how long [Server.Shutdown] and [Server.Run] wait before they stop
// the server, while it serves on: until then clients may not have heard that it
// is leaving. In Kubernetes a pod is taken out of the endpoints while it is told
// to stop, and it takes seconds until nobody connects any more
// (https://github.com/kubernetes/kubernetes/issues/43576). It is a part of the
// grace period: of what is left without the forced stop and the flushes, at most
// half. The report counts what arrives meanwhile and says what would have been
// enough. A server without an open listener does not wait. By default, zero: a
// preStop hook may do the same.
func LameDuck(d time.Duration) grpc.ServerOption {
	return option{apply: func(s *Server) error {
		if d < 0 {
			return fmt.Errorf("server: LameDuck(%s): must not be negative", d)
		}
		s.duck = d
		return nil
	}}
}

// lameDuck serves on for a while. A Stop, or the end of ctx, ends it.
func (s *Server) lameDuck(ctx context.Context, st *stop, d time.Duration) {
	if d <= 0 || !s.t.Table().Listening() {
		return
	}
	defer st.trace.Step(tracer.PhaseLameDuck)()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-st.hurry:
	case <-ctx.Done():
	}
}
