// SPDX-License-Identifier: Apache-2.0

package h2_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gracetrace/gracetrace/internal/h2"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// One test for each sentence of RFC 9113, section 6.8, that a graceful stop of
// grpc-go rests on and that a watcher of frames may therefore rely on.

func untilDone(ctx context.Context) { <-ctx.Done() }

// released returns a handler that ends when release is called.
func released() (handle func(context.Context), release func()) {
	ch := make(chan struct{})
	return func(context.Context) { <-ch }, func() { close(ch) }
}

func mute() servertest.Policy {
	policy := servertest.Obedient()
	policy.AckPings = false
	return policy
}

// "The GOAWAY frame applies to the connection, not a specific stream.".
func TestGoAwayIsOnTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, untilDone)
		call(t, s.connect(t, servertest.Obedient()))
		s.stop()
		for _, e := range s.goAways() {
			if e.Stream != 0 {
				t.Errorf("GOAWAY on stream %d, want 0", e.Stream)
			}
		}
	})
}

// "A server that is attempting to gracefully shut down a connection SHOULD send
// an initial GOAWAY frame with the last stream identifier set to 2^31-1 and a
// NO_ERROR code.".
func TestFirstGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, untilDone)
		call(t, s.connect(t, mute()))
		s.stop()
		got := s.goAways()
		if len(got) != 1 || !got[0].IsFirstGoAway() || s.at(got[0]) != 0 {
			t.Errorf("got %+v, want one first GOAWAY at once", got)
		}
	})
}

// "After allowing time for any in-flight stream creation (at least one
// round-trip time), the server MAY send another GOAWAY frame with an updated
// last stream identifier." The time is that of a PING, or 5 s.
func TestFinalGoAwayAfterRoundTrip(t *testing.T) {
	type step struct {
		Type h2.FrameType
		Sent bool
		Ack  bool
		Last uint32
		At   time.Duration
	}
	first := step{h2.FrameGoAway, true, false, h2.MaxStream, 0}
	ping := step{h2.FramePing, true, false, 0, 0}
	for name, test := range map[string]struct {
		policy servertest.Policy
		want   []step
	}{
		"acknowledged": {servertest.Obedient(), []step{
			first, ping, {h2.FramePing, false, true, 0, 0}, {h2.FrameGoAway, true, false, 1, 0},
		}},
		"mute": {mute(), []step{
			first, ping, {h2.FrameGoAway, true, false, 1, 5 * time.Second},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, untilDone)
				call(t, s.connect(t, test.policy))
				s.stop()
				time.Sleep(time.Minute)
				var got []step
				for _, e := range s.drain() {
					got = append(got, step{e.Type, e.sent, e.Ack(), e.LastStream(), s.at(e)})
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("drain (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// "This ensures that a connection can be cleanly shut down without losing
// requests." A stream opened between the two GOAWAYs is served.
func TestStreamBetweenGoAwaysIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, nil)
		c := s.connect(t, mute())
		took := s.stop()
		time.Sleep(4 * time.Second)
		if got := call(t, c).Status().Code(); got != codes.OK {
			t.Errorf("status %v, want OK", got)
		}
		if got := <-took; got != 5*time.Second {
			t.Errorf("GracefulStop took %v, want 5s", got)
		}
		if got := s.goAways(); len(got) != 2 || got[1].LastStream() != 1 {
			t.Errorf("got %+v, want a final GOAWAY for stream 1", got)
		}
	})
}

// "The last stream identifier in the GOAWAY frame contains the highest-numbered
// stream identifier for which the sender of the GOAWAY frame might have taken
// some action on or might yet take action on." "The last stream identifier can
// be set to 0 if no streams were processed.".
func TestFinalGoAwayHasTheLastStream(t *testing.T) {
	for streams, want := range map[int]uint32{0: 0, 1: 1, 3: 5} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t, untilDone)
			c := s.connect(t, servertest.Obedient())
			for range streams {
				call(t, c)
			}
			s.stop()
			if got := s.goAways(); len(got) != 2 || got[1].LastStream() != want {
				t.Errorf("%d streams: got %+v, want a final GOAWAY for %d", streams, got, want)
			}
		})
	}
}

// "Once the GOAWAY is sent, the sender will ignore frames sent on streams
// initiated by the receiver if the stream has an identifier higher than the
// included last stream identifier.".
func TestStreamAfterFinalGoAwayIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handle, release := released()
		s := serve(t, handle)
		c := s.connect(t, servertest.Obedient())
		call(t, c)
		took := s.stop()
		late := call(t, c)
		release()
		<-took
		if got := late.Status().Code(); got != codes.Unavailable {
			t.Errorf("status of the late stream %v, want Unavailable", got)
		}
		answers := s.find(func(e event) bool { return e.sent && e.Stream == late.ID() })
		if len(answers) != 0 {
			t.Errorf("the server answered on stream %d: %+v", late.ID(), answers)
		}
	})
}

// "Activity on streams numbered lower than or equal to the last stream
// identifier might still complete successfully. The sender of a GOAWAY frame
// might gracefully shut down a connection by sending a GOAWAY frame,
// maintaining the connection in an "open" state until all in-progress streams
// complete.".
func TestStreamInFlightCompletes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handle, release := released()
		s := serve(t, handle)
		c := s.connect(t, servertest.Obedient())
		stream := call(t, c)
		took := s.stop()
		time.Sleep(10 * time.Minute)
		release()
		if got := <-took; got != 10*time.Minute {
			t.Errorf("GracefulStop took %v, want 10m", got)
		}
		if got := stream.Status().Code(); got != codes.OK {
			t.Errorf("status %v, want OK", got)
		}
		ends := s.find(func(e event) bool { return e.sent && e.EndStream() })
		if len(ends) != 1 || ends[0].Stream != 1 || s.at(ends[0]) != 10*time.Minute {
			t.Errorf("got %+v, want the end of stream 1 after 10m", ends)
		}
	})
}

// "Endpoints MUST NOT increase the value they send in the last stream
// identifier." Neither do streams opened after it, nor, as in fact 5, does a
// stop when the connection's age has had it drained already.
func TestLastStreamIsNeverIncreased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handle, release := released()
		s := serve(t, handle, grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionAge: time.Minute,
		}))
		c := s.connect(t, servertest.Obedient())
		call(t, c)
		time.Sleep(2 * time.Minute)
		call(t, c)
		took := s.stop()
		release()
		<-took
		got := s.goAways()
		if len(got) != 2 || !got[0].IsFirstGoAway() || got[1].LastStream() != 1 {
			t.Fatalf("got %+v, want a first GOAWAY and a final one for stream 1", got)
		}
		if at := s.at(got[1]); at >= 0 {
			t.Errorf("final GOAWAY %v after the stop began, want it before", at)
		}
	})
}

// "Receivers of a GOAWAY frame MUST NOT open additional streams on the
// connection, although a new connection can be established for new streams."
// grpc-go's client complies after the first GOAWAY.
func TestReceiverUsesAnotherConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handle, release := released()
		old, next := serve(t, handle), serve(t, nil)
		dial := old.DialTarget
		cc, err := grpc.NewClient("passthrough:///greeter",
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, target string) (net.Conn, error) {
				return dial(ctx, target)
			}))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cc.Close() }()
		client := greeterv1.NewGreeterClient(cc)
		inFlight := make(chan error)
		go func() {
			_, err := client.SayHello(t.Context(), &greeterv1.SayHelloRequest{})
			inFlight <- err
		}()
		synctest.Wait()
		dial = next.DialTarget
		took := old.stop()
		if _, err := client.SayHello(t.Context(), &greeterv1.SayHelloRequest{}); err != nil {
			t.Errorf("RPC after GOAWAY: %v", err)
		}
		release()
		if err := <-inFlight; err != nil {
			t.Errorf("RPC in flight: %v", err)
		}
		<-took
		requests := func(e event) bool { return !e.sent && e.Type == h2.FrameHeaders }
		if o, n := len(old.find(requests)), len(next.find(requests)); o != 1 || n != 1 {
			t.Errorf("%d requests on the old connection and %d on the new one, want 1 and 1", o, n)
		}
	})
}

// "Endpoints SHOULD always send a GOAWAY frame before closing a connection so
// that the remote peer can know whether a stream has been partially processed
// or not." Stop of grpc-go does not.
func TestStopSendsNoGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, untilDone)
		c := s.connect(t, servertest.Obedient())
		call(t, c)
		s.Stop()
		<-c.Done()
		if got := s.goAways(); len(got) != 0 {
			t.Errorf("got %+v, want no GOAWAY", got)
		}
	})
}
