// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"context"
	"net"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// shutDown stops the server in the way that its number says. What held it is in the
// report.
func (s *stop) shutDown(ctx context.Context) error {
	how := s.number % ways
	forced := s.Killed || how == stopForced || s.Clients > 1
	keep := 0 // streams that do not end
	switch {
	case forced:
		keep = 1
	case how == stopHandshake:
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		// The server speaks first: then it has accepted the connection.
		if _, err := conn.Read(make([]byte, 9)); err != nil {
			return err
		}
	case how <= stopHandler:
		defer s.call(ctx)() // the stop may have been faster: then it is refused
	}
	timer := time.AfterFunc(streamsEnd, func() {
		for _, chat := range s.streams[keep:] {
			_ = chat.CloseSend() // the server may have cut it
		}
	})
	defer timer.Stop()
	if forced && !s.Killed {
		defer time.AfterFunc(forcedAt, s.server.Stop).Stop()
		s.server.GracefulStop()
		return nil
	}
	end := never
	if how == stopHandshake && !s.Killed {
		end = budget
	}
	ctx, cancel := context.WithTimeout(ctx, end)
	defer cancel()
	_ = s.server.Shutdown(ctx) // or the deadline would be the error
	return nil
}

// call begins a unary call, and returns how to wait for its end.
func (s *stop) call(ctx context.Context) (wait func()) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = greeterv1.NewGreeterClient(s.clients[0]).SayHello(ctx,
			&greeterv1.SayHelloRequest{Duration: durationpb.New(handlerFor)})
	}()
	return func() { <-ended }
}
