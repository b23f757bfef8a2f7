// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/interceptors"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// BenchmarkStreamMessage is one message of a stream, received and sent, as a
// handler sees it. Nothing is on the other end: what differs is the sensor.
func BenchmarkStreamMessage(b *testing.B) {
	bare := &greeterv1.Greeter_ServiceDesc
	traced := interceptors.Describe(newTracer(b), bare, true)
	for _, op := range []string{"recv", "send"} {
		b.Run(op, func(b *testing.B) {
			for _, tt := range []struct {
				name string
				desc *grpc.ServiceDesc
			}{{"bare", bare}, {"traced", traced}} {
				b.Run(tt.name, func(b *testing.B) {
					s := &messages{b: b, op: op}
					if err := chat(tt.desc).Handler(s, endless{}); err != nil {
						b.Fatal(err)
					}
				})
			}
		})
	}
}

func chat(desc *grpc.ServiceDesc) *grpc.StreamDesc {
	for i := range desc.Streams {
		if desc.Streams[i].StreamName == "Chat" {
			return &desc.Streams[i]
		}
	}
	return nil
}

// messages is a service whose stream takes messages for as long as it is
// measured.
type messages struct {
	greeterv1.UnimplementedGreeterServer
	b  *testing.B
	op string
}

func (m *messages) Chat(s grpc.BidiStreamingServer[greeterv1.ChatRequest, greeterv1.ChatResponse]) error {
	m.b.ReportAllocs()
	var req greeterv1.ChatRequest
	if m.op == "recv" {
		for m.b.Loop() {
			_ = s.RecvMsg(&req)
		}
		return nil
	}
	for m.b.Loop() {
		_ = s.SendMsg(&req)
	}
	return nil
}

// endless is a stream that always has a message and takes every one.
type endless struct{ grpc.ServerStream }

func (endless) Context() context.Context { return context.Background() }
func (endless) RecvMsg(any) error        { return nil }
func (endless) SendMsg(any) error        { return nil }

// BenchmarkStreamRPC is a message and its answer over loopback TCP.
func BenchmarkStreamRPC(b *testing.B) {
	for _, kind := range []string{"bare", "traced", "otelgrpc"} {
		b.Run(kind, func(b *testing.B) {
			address := serve(b, kind)
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			s, err := dial(b, address).Chat(ctx)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			req := &greeterv1.ChatRequest{}
			for b.Loop() {
				if err := s.Send(req); err != nil {
					b.Fatal(err)
				}
				if _, err := s.Recv(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
