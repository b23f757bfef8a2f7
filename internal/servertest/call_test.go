// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var deadline time.Time
		var md metadata.MD
		s := newTarget(t, &greeter{hello: func(ctx context.Context) error {
			deadline, _ = ctx.Deadline()
			md, _ = metadata.FromIncomingContext(ctx)
			return nil
		}})
		msg, err := proto.Marshal(&greeterv1.SayHelloRequest{Name: "you"})
		if err != nil {
			t.Fatal(err)
		}
		stream := openStream(t, obedient(t, s), Call{
			Method: sayHello, Message: msg, Timeout: time.Minute,
			Metadata: metadata.Pairs(
				"user-agent", "grpc-java/1.70", "x-forwarded-for", "192.0.2.1",
			),
		})
		<-stream.Ended()
		wantClosed(t, "there was a response", stream.Responded())
		if got := stream.Status().Code(); got != codes.OK {
			t.Errorf("status %v, want OK", got)
		}
		if got := time.Until(deadline); got != time.Minute {
			t.Errorf("deadline in %v, want 1m", got)
		}
		want := []string{"grpc-java/1.70", "192.0.2.1"}
		got := append(md.Get("user-agent"), md.Get("x-forwarded-for")...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("metadata (-want +got):\n%s", diff)
		}
	})
}

// TestCallHeadersOnly sends the message of a unary RPC late and in its own time.
func TestCallHeadersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTarget(t, &greeter{})
		stream := openStream(t, obedient(t, s), Call{Method: sayHello, HeadersOnly: true})
		time.Sleep(time.Minute)
		wantOpen(t, "the RPC has ended", stream.Ended())
		if err := errors.Join(stream.Send(nil), stream.CloseSend()); err != nil {
			t.Fatal(err)
		}
		if got := stream.Status().Code(); got != codes.OK {
			t.Errorf("status %v, want OK", got)
		}
	})
}

// TestCallMessageSize covers the largest message there may be, a field that the
// server does not know, and one byte more.
func TestCallMessageSize(t *testing.T) {
	const most = 16_379
	msg := append([]byte{0xfa, 1, 0xf7, 0x7f}, make([]byte, most-4)...)
	synctest.Test(t, func(t *testing.T) {
		c := obedient(t, newTarget(t, &greeter{}))
		stream := openStream(t, c, Call{Method: sayHello, Message: msg})
		if got := stream.Status().Code(); got != codes.OK {
			t.Errorf("status %v, want OK", stream.Status())
		}
		_, err := c.Open(Call{Method: sayHello, Message: append(msg, 0)})
		if err == nil || !strings.Contains(err.Error(), "16380 bytes") {
			t.Errorf("Open: %v, want an error with the size", err)
		}
	})
}

func TestEncodeTimeout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1:              "1n",
		99_999_999:     "99999999n",
		100_000_000:    "100000u",
		100_000_001:    "100001u",
		time.Minute:    "60000000u",
		time.Hour:      "3600000m",
		28 * time.Hour: "100800S",
		1<<63 - 1:      "9223372037S",
	} {
		if got := encodeTimeout(d); got != want {
			t.Errorf("encodeTimeout(%v) = %s, want %s", d, got, want)
		}
	}
}
