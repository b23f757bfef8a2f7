// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// BenchmarkToldStream is a message and its answer on a stream, and a whole stream
// with one of each, with the options by which handlers learn of the drain.
func BenchmarkToldStream(b *testing.B) {
	for _, what := range []string{"message", "stream"} {
		for _, tt := range []struct {
			name string
			opts []grpc.ServerOption
		}{
			{"traced", nil},
			{"CancelStreams", []grpc.ServerOption{server.CancelStreams(time.Second)}},
			{"EndRecv", []grpc.ServerOption{server.EndRecv("greeter.v1.Greeter/Chat")}},
		} {
			b.Run(what+"/"+tt.name, func(b *testing.B) {
				srv := server.New(newTracer(b), tt.opts...)
				greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
				c := dial(b, serveOn(b, srv))
				b.ReportAllocs()
				if what == "stream" {
					for b.Loop() {
						chatOnce(b, c)
					}
					return
				}
				ctx, cancel := context.WithCancel(b.Context())
				defer cancel()
				s, err := c.Chat(ctx)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					say(b, s)
				}
			})
		}
	}
}

func chatOnce(b *testing.B, c greeterv1.GreeterClient) {
	b.Helper()
	s, err := c.Chat(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	say(b, s)
	if err := s.CloseSend(); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Recv(); !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
}

func say(b *testing.B, s greeterv1.Greeter_ChatClient) {
	b.Helper()
	if err := s.Send(&greeterv1.ChatRequest{}); err != nil {
		b.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		b.Fatal(err)
	}
}
