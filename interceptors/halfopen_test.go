// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// TestHalfOpenOnTheWire: a unary client that has not sent its message can be
// told from one whose handler works.
func TestHalfOpenOnTheWire(t *testing.T) {
	minute, err := proto.Marshal(&greeterv1.SayHelloRequest{Duration: durationpb.New(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		call servertest.Call
		half int
	}{
		"the message never comes": {servertest.Call{HeadersOnly: true}, 1},
		"it has come":             {servertest.Call{Message: minute}, 0},
		"the stream is kept open": {servertest.Call{Message: minute, KeepOpen: true}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tr, lis := newTracer(t), servertest.Listen()
				serve(t, tr, lis)
				tt.call.Method = greeterv1.Greeter_SayHello_FullMethodName
				p, err := servertest.Connect(t.Context(), lis.Dial, servertest.Obedient())
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				if _, err := p.Open(tt.call); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				conns := tr.Table().Snapshot().Conns
				if len(conns) != 1 || conns[0].Streams != 1 || conns[0].HalfOpen != tt.half {
					t.Errorf("the connections are %+v, want one stream, %d half-open", conns, tt.half)
				}
			})
		})
	}
}
