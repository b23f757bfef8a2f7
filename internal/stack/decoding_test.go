// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// TestDecoding: a handler that has not begun because its client has not sent the
// message is told from one that waits for the next (fact 9).
func TestDecoding(t *testing.T) {
	for method, want := range map[string]bool{
		greeterv1.Greeter_SayHello_FullMethodName: true,
		greeterv1.Greeter_Watch_FullMethodName:    true, // its one message
		greeterv1.Greeter_Chat_FullMethodName:     false,
	} {
		t.Run(method, func(t *testing.T) {
			if method == greeterv1.Greeter_SayHello_FullMethodName && !seesBeforeDecoding() {
				t.Skip("not seen yet")
			}
			synctest.Test(t, func(t *testing.T) {
				// An interceptor's frames are not the handler's.
				b := serve(t, diver{}, grpc.ChainStreamInterceptor(passStream))
				p, err := servertest.Mute(t.Context(), b.lis.Dial,
					servertest.Call{Method: method, HeadersOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = p.Close() }()
				r := b.read()
				if len(r.Handlers) != 1 {
					t.Fatalf("%d handlers, want 1", len(r.Handlers))
				}
				h := r.Handlers[0]
				if h.Decoding != want || (h.Function == "") != want {
					t.Errorf("decoding %v at %q, want %v:\n%s", h.Decoding, h.Function, want, h.Text)
				}
			})
		})
	}
}

func passStream(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	return h(srv, passedStream{ss})
}

type passedStream struct{ grpc.ServerStream }

func (s passedStream) RecvMsg(m any) error {
	err := s.ServerStream.RecvMsg(m)
	return err
}

// TestHealth: grpc's own services count as handlers.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t, diver{})
		p, err := servertest.Mute(t.Context(), b.lis.Dial,
			servertest.Call{Method: healthpb.Health_Watch_FullMethodName})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = p.Close() }()
		r := b.read()
		if len(r.Handlers) != 1 || !strings.HasSuffix(r.Handlers[0].Function, "health.(*Server).Watch") {
			t.Errorf("handlers %v, want health's", r.Handlers)
		}
	})
}
