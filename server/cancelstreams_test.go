// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// untilCancelled is a handler that returns what why says of its context, when that
// is cancelled.
func untilCancelled(why func(context.Context) error) func(chatServer) error {
	return func(s chatServer) error {
		<-s.Context().Done()
		return why(s.Context())
	}
}

// TestCancelStreams: contexts are cancelled when it was asked for, and the client
// gets what the handler returns.
func TestCancelStreams(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration
		why   func(context.Context) error
		want  codes.Code
	}{
		{"ctx.Err", 2 * time.Second, context.Context.Err, codes.Canceled},
		{"at once", 0, context.Context.Err, codes.Canceled},
		{"context.Cause", 2 * time.Second, context.Cause, codes.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParty(t, server.CancelStreams(tt.after))
				p.service.chat = untilCancelled(tt.why)
				c := p.chat()
				p.wantTook(tt.after)
				if _, err := c.Recv(); status.Code(err) != tt.want {
					t.Errorf("the client: %v, want %v", err, tt.want)
				}
			})
		})
	}
}

// TestCancelStreamsKeepsTheContext: what a handler finds in its context is there,
// and what ends it still does.
func TestCancelStreamsKeepsTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, server.CancelStreams(2*time.Second))
		p.service.chat = func(s chatServer) error {
			if _, ok := peer.FromContext(s.Context()); !ok {
				t.Error("no peer")
			}
			if m, ok := grpc.MethodFromServerStream(s); !ok || m != "/"+chat {
				t.Errorf("method %q", m)
			}
			return untilCancelled(context.Context.Err)(s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c, err := greeterv1.NewGreeterClient(p.conn).Chat(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Recv(); status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v, want DeadlineExceeded", err)
		}
	})
}

// TestCancelStreamsLater: a stream that comes after that is cancelled from the
// start, and a unary RPC never.
func TestCancelStreamsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		service := &chatter{
			chat: func(s chatServer) error {
				began := time.Now()
				<-s.Context().Done()
				took = time.Since(began)
				return nil
			},
			hello: func(ctx context.Context) error {
				<-time.After(4 * time.Second)
				return ctx.Err()
			},
		}
		s := server.New(newTracer(t), server.CancelStreams(time.Second))
		greeterv1.RegisterGreeterServer(s, service)
		lis := servertest.Listen()
		go func() { _ = s.Serve(lis) }()
		hello := servertest.Call{Method: greeterv1.Greeter_SayHello_FullMethodName}
		// It takes new streams for 5 s, for want of an answer to the PING.
		c, err := servertest.Mute(t.Context(), lis.Dial, hello)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		<-c.Ready()
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		time.Sleep(2 * time.Second)
		late, err := c.Open(servertest.Call{Method: "/" + chat, KeepOpen: true})
		if err != nil {
			t.Fatal(err)
		}
		if st := late.Status(); st.Code() != codes.OK || took != 0 {
			t.Errorf("the late stream: %v after %s, want OK at once", st, took)
		}
		unary, err := c.Open(hello)
		if err != nil {
			t.Fatal(err)
		}
		if st := unary.Status(); st.Code() != codes.OK {
			t.Errorf("the unary RPC: %v, want OK", st)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

func TestCancelStreamsNegative(t *testing.T) {
	wantError(t, "CancelStreams", server.New(newTracer(t), server.CancelStreams(-time.Second)).
		Serve(servertest.Listen()), "CancelStreams(-1s)", "negative")
}

// TestDraining: the channel is closed when grpc's stop is called, by whichever
// call, and not during a lame duck.
func TestDraining(t *testing.T) {
	for name, stop := range map[string]func(*server.Server){
		"GracefulStop": (*server.Server).GracefulStop,
		"Stop":         (*server.Server).Stop,
		"Shutdown":     func(s *server.Server) { _ = s.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParty(t, server.LameDuck(5*time.Second))
				synctest.Wait()
				began := time.Now()
				drained := make(chan time.Duration, 1)
				go func() {
					<-p.Draining()
					drained <- time.Since(began)
				}()
				select {
				case <-p.Draining():
					t.Error("closed before the stop")
				default:
				}
				stop(p.Server)
				want := time.Duration(0)
				if name == "Shutdown" {
					want = 5 * time.Second
				}
				if got := <-drained; got != want {
					t.Errorf("closed after %s, want %s", got, want)
				}
			})
		})
	}
}

// TestDrainingHandler: a handler that listens can say goodbye.
func TestDrainingHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t)
		p.service.chat = func(s chatServer) error {
			<-p.Draining()
			return s.Send(&greeterv1.ChatResponse{Text: "goodbye"})
		}
		c := p.chat()
		p.wantTook(0)
		if res, err := c.Recv(); err != nil || res.GetText() != "goodbye" {
			t.Errorf("%v, %v, want a goodbye", res, err)
		}
	})
}
