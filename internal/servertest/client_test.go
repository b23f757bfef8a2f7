// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// obedient returns a Client that does everything right, settled.
func obedient(t *testing.T, s *target) *Client {
	t.Helper()
	c, err := Connect(t.Context(), s.Dial, Obedient())
	return peer(t, c, err)
}

func openStream(t *testing.T, c *Client, call Call) *Stream {
	t.Helper()
	s, err := c.Open(call)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestClientStatus covers the ways in which an RPC ends.
func TestClientStatus(t *testing.T) {
	blocked := func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	}
	for _, test := range []struct {
		name   string
		call   Call
		hello  func(context.Context) error
		finish func(*target, *Stream)
		want   codes.Code
	}{
		{"error", Call{Method: sayHello}, func(context.Context) error {
			return status.Error(codes.NotFound, "no such name")
		}, nil, codes.NotFound},
		{"unknown method", Call{Method: "/greeter.v1.Greeter/None"}, nil, nil, codes.Unimplemented},
		{"cancelled", Call{Method: sayHello}, blocked, func(_ *target, s *Stream) {
			_ = s.Cancel()
		}, codes.Canceled},
		{"server stopped", Call{Method: sayHello}, blocked, func(tg *target, _ *Stream) {
			tg.server.Stop()
		}, codes.Unavailable},
		{"client closed", Call{Method: sayHello}, blocked, func(_ *target, s *Stream) {
			_ = s.client.Close()
		}, codes.Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTarget(t, &greeter{hello: test.hello})
				stream := openStream(t, obedient(t, s), test.call)
				synctest.Wait()
				if test.finish != nil {
					wantOpen(t, "the RPC has ended", stream.Ended())
					test.finish(s, stream)
				}
				if got := stream.Status().Code(); got != test.want {
					t.Errorf("status %v, want %v", stream.Status(), test.want)
				}
			})
		})
	}
}

// TestClientReads checks that an obedient client takes any amount of data.
func TestClientReads(t *testing.T) {
	const messages = 1000
	synctest.Test(t, func(t *testing.T) {
		s := newTarget(t, &greeter{
			onWatch: func(stream grpc.ServerStreamingServer[greeterv1.WatchResponse]) error {
				res := &greeterv1.WatchResponse{Payload: make([]byte, 1<<10)}
				for range messages {
					if err := stream.Send(res); err != nil {
						return err
					}
				}
				return nil
			},
		})
		stream := openStream(t, obedient(t, s), Call{Method: watch})
		<-stream.Ended()
		if stream.Status().Code() != codes.OK || stream.received < messages<<10 {
			t.Errorf("%d bytes and %v, want more than %d and OK",
				stream.received, stream.Status(), messages<<10)
		}
	})
}

func TestClientEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTarget(t, &greeter{})
		c := obedient(t, s)
		if err := c.Err(); err != nil {
			t.Errorf("Err() = %v while the connection is open", err)
		}
		s.server.Stop()
		<-c.Done()
		if err := c.Err(); !errors.Is(err, io.EOF) {
			t.Errorf("Err() = %v, want EOF", err)
		}
		if _, err := c.Open(Call{Method: sayHello}); !errors.Is(err, io.EOF) {
			t.Errorf("Open: %v, want EOF", err)
		}
	})
}

// TestClientLeavesAfterCancel covers the client that has nothing more to read
// when its last stream ends.
func TestClientLeavesAfterCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTarget(t, &greeter{hello: func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		}})
		stream := openStream(t, obedient(t, s), Call{Method: sayHello})
		took := s.gracefulStop()
		wantHeld(t, took, time.Minute)
		if err := stream.Cancel(); err != nil {
			t.Error(err)
		}
		wantTook(t, took, time.Minute)
	})
}

// TestClientGoAway checks that a client gives up what a GOAWAY says was never
// taken, by a server that takes one stream only.
func TestClientGoAway(t *testing.T) {
	client, server := connect(t, Listen())
	c, err := Connect(t.Context(), func(context.Context) (net.Conn, error) {
		return client, nil
	}, Obedient())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	first := openStream(t, c, Call{Method: sayHello})
	second := openStream(t, c, Call{Method: sayHello})
	fr := http2.NewFramer(server, nil)
	if err := fr.WriteGoAway(maxStream, http2.ErrCodeNo, nil); err != nil {
		t.Fatal(err)
	}
	<-c.GoAway()
	wantOpen(t, "a stream has ended", second.Ended())
	if err := fr.WriteGoAway(first.ID(), http2.ErrCodeNo, nil); err != nil {
		t.Fatal(err)
	}
	if got := second.Status().Code(); got != codes.Unavailable {
		t.Errorf("status %v, want Unavailable", got)
	}
	wantOpen(t, "the stream that was taken has ended", first.Ended())
	if err := fr.WriteRSTStream(first.ID(), http2.ErrCodeRefusedStream); err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if got := first.Status().Code(); got != codes.Unavailable {
		t.Errorf("status %v, want Unavailable", got)
	}
}
