// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// wantDraining expects the status by which clients know that they should try
// again elsewhere.
func wantDraining(t *testing.T, what string, err error) {
	t.Helper()
	if st := status.Convert(err); st.Code() != codes.Unavailable || st.Message() != "server is draining" {
		t.Errorf(`%s: %v, want Unavailable "server is draining"`, what, err)
	}
}

// TestEndRecvTellsBothEnds: handler and client get the same status; what the
// handler sends after it still arrives.
func TestEndRecvTellsBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, server.EndRecv("/"+chat))
		p.service.chat = func(s chatServer) error {
			err := receiveAll(nil, s)
			wantDraining(t, "Recv", err)
			if _, again := s.Recv(); !errors.Is(again, err) {
				t.Errorf("the next Recv: %v, want the same", again)
			}
			if err := s.Send(&greeterv1.ChatResponse{Text: "goodbye"}); err != nil {
				t.Error(err)
			}
			return err
		}
		c := p.chat()
		p.wantTook(50 * time.Millisecond)
		if res, err := c.Recv(); err != nil || res.GetText() != "goodbye" {
			t.Errorf("%v, %v, want a goodbye", res, err)
		}
		_, err := c.Recv()
		wantDraining(t, "the client", err)
	})
}

// TestEndRecvLosesNothing: messages that wait behind a slow handler are delivered,
// and so is the end of the client's side.
func TestEndRecvLosesNothing(t *testing.T) {
	for _, half := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newParty(t, server.EndRecv(chat))
			var got []string
			var last error
			p.service.chat = func(s chatServer) error {
				for {
					req, err := s.Recv()
					if err != nil {
						last = err
						return err
					}
					got = append(got, req.GetText())
					time.Sleep(3 * time.Second)
				}
			}
			c := p.chat()
			p.send(c, "a", "b", "c")
			want := 12*time.Second + 50*time.Millisecond
			if half {
				want = 12 * time.Second
				if err := c.CloseSend(); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
			p.wantTook(want)
			if diff := cmp.Diff([]string{"hello", "a", "b", "c"}, got); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
			if errors.Is(last, io.EOF) != half {
				t.Errorf("the last Recv: %v, the client has ended its side: %t", last, half)
			}
		})
	}
}

// TestEndRecvLeavesTheMessage: a message that comes after a Recv was ended is not
// written to what the handler has given it. With the race detector.
func TestEndRecvLeavesTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, server.EndRecv(chat))
		var req greeterv1.ChatRequest
		p.service.chat = func(s chatServer) error {
			for s.RecvMsg(&req) == nil {
				continue
			}
			req.Text = "mine"
			time.Sleep(3 * time.Second)
			if req.Text != "mine" {
				t.Errorf("it is %q now", req.Text)
			}
			return nil
		}
		c := p.chat()
		p.clients.Go(func() {
			time.Sleep(time.Second)
			_ = c.Send(&greeterv1.ChatRequest{Text: "late"})
		})
		p.wantTook(3*time.Second + 50*time.Millisecond)
	})
}

// TestEndRecvBeforeTheDrain: an option that is set changes nothing of a stream
// that ends by itself.
func TestEndRecvBeforeTheDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, server.EndRecv(chat, greeterv1.Greeter_Upload_FullMethodName))
		p.service.chat = (&greeter.Server{}).Chat
		c := p.chat()
		p.send(c, "again")
		for _, want := range []string{"you said hello", "you said again"} {
			if res, err := c.Recv(); err != nil || res.GetText() != want {
				t.Errorf("%v, %v, want %q", res, err, want)
			}
		}
		if err := c.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want io.EOF", err)
		}
	})
}

// opaque is a message that is not a proto.Message, and its codec.
type opaque struct{ bytes []byte }

type bytesCodec struct{ encoding.CodecV2 }

func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*opaque).bytes = data.Materialize()
	return nil
}

// TestEndRecvOfOtherMessages: what is not a proto.Message is received as ever.
func TestEndRecvOfOtherMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, server.EndRecv(chat),
			grpc.ForceServerCodecV2(bytesCodec{encoding.GetCodecV2("proto")}))
		var first opaque
		p.service.chat = func(s chatServer) error {
			if err := s.RecvMsg(&first); err != nil {
				t.Error(err)
			}
			return s.RecvMsg(&opaque{})
		}
		p.chat()
		if took, forced := p.shutdown(); took != 18*time.Second || !forced {
			t.Errorf("the stop took %s (forced: %t), want it forced after 18 s", took, forced)
		}
		if len(first.bytes) == 0 {
			t.Error("the message is empty")
		}
	})
}

// rude is an interceptor whose stream fails in ways of its own.
type rude struct {
	grpc.ServerStream
	fail func()
}

func (r *rude) RecvMsg(any) error {
	r.fail()
	return nil
}

// TestEndRecvPanic: a panic below a Recv is the handler's, as without the option.
func TestEndRecvPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fail := func() { panic("rude") }
		p := newParty(t, server.EndRecv(chat), grpc.StreamInterceptor(
			func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
				return h(srv, &rude{ss, func() { fail() }})
			}))
		var got []any
		p.service.chat = func(s chatServer) error {
			for range 2 {
				func() {
					defer func() { got = append(got, recover()) }()
					_, _ = s.Recv()
				}()
			}
			return nil
		}
		if _, err := greeterv1.NewGreeterClient(p.conn).Chat(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if diff := cmp.Diff([]any{"rude", "rude"}, got); diff != "" {
			t.Errorf("panics (-want +got):\n%s", diff)
		}
	})
}

// TestEndRecvUnknown: a method that cannot be meant is named before anybody is
// served.
func TestEndRecvUnknown(t *testing.T) {
	register := func(s *server.Server) *server.Server {
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		return s
	}
	for _, tt := range []struct {
		methods []string
		words   []string
	}{
		{nil, []string{"EndRecv()", "no method"}},
		{[]string{chat, "/greeter.v1.Greeter/Nope"}, []string{`EndRecv("greeter.v1.Greeter/Nope")`, "no such method"}},
		{[]string{"Chat"}, []string{`EndRecv("Chat")`, "no such method"}},
		{[]string{"greeter.v1.Greeter/SayHello"}, []string{"Greeter/SayHello", "does not stream"}},
		{[]string{"greeter.v1.Greeter/Watch"}, []string{"Greeter/Watch", "does not stream"}},
		{[]string{"b.B/B", "a.A/A"}, []string{`EndRecv("a.A/A"): no such method is registered` + "\n" +
			`server: EndRecv("b.B/B")`}},
	} {
		s := register(server.New(newTracer(t), server.EndRecv(tt.methods...)))
		wantError(t, fmt.Sprintf("EndRecv of %q", tt.methods), s.Serve(servertest.Listen()), tt.words...)
	}
	inner := grpc.NewServer()
	greeterv1.RegisterGreeterServer(inner, &greeter.Server{})
	s := server.Wrap(inner, newTracer(t), server.EndRecv(chat))
	wantError(t, "EndRecv of a method that Wrap does not know", s.Serve(servertest.Listen()),
		"not registered through the result of Wrap")
	s.Stop()
}

// TestEndRecvWrapped: a server that exists does the same.
func TestEndRecvWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := wrapped(t, health.NewServer(), server.EndRecv(chat))
		p.service.chat = func(s chatServer) error { return receiveAll(nil, s) }
		c := p.chat()
		p.wantTook(50 * time.Millisecond)
		_, err := c.Recv()
		wantDraining(t, "the client", err)
	})
}

// TestEndRecvAndItsClient: a client that goes ends a Recv as ever.
func TestEndRecvAndItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, server.EndRecv(chat))
		var last error
		p.service.chat = func(s chatServer) error {
			last = receiveAll(nil, s)
			return last
		}
		ctx, cancel := context.WithCancel(t.Context())
		c, err := greeterv1.NewGreeterClient(p.conn).Chat(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p.send(c, "hello")
		synctest.Wait()
		cancel()
		synctest.Wait()
		if status.Code(last) != codes.Canceled {
			t.Errorf("Recv: %v, want Canceled", last)
		}
	})
}
