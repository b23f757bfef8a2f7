// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"strings"
	"time"

	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// register gives the server its services.
func (s *story) register(args arguments) {
	greeterv1.RegisterGreeterServer(s.server, &stopper{stop: s.stopNow})
	if args.has("reflection") {
		reflection.Register(s.server)
	}
	if args.has("health") {
		healthv1.RegisterHealthServer(s.server, s.health)
	}
}

// stopper is the demo service with a handler that stops its own server.
type stopper struct {
	greeter.Server
	stop func(name string) error
}

// pleaseStop is a name that is not greeted.
const pleaseStop = "stop by "

// SayHello implements greeterv1.GreeterServer.
func (s *stopper) SayHello(ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	if call, ok := strings.CutPrefix(req.GetName(), pleaseStop); ok {
		<-time.After(req.GetDuration().AsDuration())
		return &greeterv1.SayHelloResponse{}, s.stop(call)
	}
	return s.Server.SayHello(ctx, req)
}

// stopNow makes a stop call and waits for it.
func (s *story) stopNow(name string) error { return stopServer(s.server, name, 0) }

// watchHealth opens a health Watch as grpc clients do, and leaves it open.
func watchHealth(ctx context.Context, c healthv1.HealthClient) error {
	w, err := c.Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	_, err = w.Recv()
	return err
}
