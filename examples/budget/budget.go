// SPDX-License-Identifier: Apache-2.0

// Package budget is a small service whose tests hold it to a shutdown budget:
// its streams end when the server begins to stop.
package budget

import (
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// Greeter greets those who watch it again and again.
type Greeter struct {
	pb.UnimplementedGreeterServer
	stopping chan struct{}
	once     sync.Once
}

// New returns a Greeter.
func New() *Greeter { return &Greeter{stopping: make(chan struct{})} }

// StopWatches ends all streams of Watch. GracefulStop would wait for them for
// ever: it cancels no context.
func (g *Greeter) StopWatches() { g.once.Do(func() { close(g.stopping) }) }

// Watch implements greeterv1.GreeterServer.
func (g *Greeter) Watch(r *pb.WatchRequest, s grpc.ServerStreamingServer[pb.WatchResponse]) error {
	again := time.NewTicker(r.GetInterval().AsDuration())
	defer again.Stop()
	for {
		if err := s.Send(&pb.WatchResponse{}); err != nil {
			return err
		}
		select {
		case <-again.C:
		case <-g.stopping:
			return nil
		case <-s.Context().Done():
			return s.Context().Err()
		}
	}
}
