// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// TestFrozenPeer pins fact 11: a peer that has stopped reading holds a graceful
// stop until TCP_USER_TIMEOUT, for as long wrapped as bare. It takes that long
// in real time: only a kernel has full socket buffers.
func TestFrozenPeer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	var took [2]time.Duration
	var wg sync.WaitGroup
	for i, tr := range []*tracer.Tracer{nil, newTracer(t)} {
		wg.Go(func() { took[i] = stopFrozen(t, tr) })
	}
	wg.Wait()
	bare, wrapped := took[0], took[1]
	t.Logf("GracefulStop took %s bare, %s wrapped", bare, wrapped)
	if diff := (wrapped - bare).Abs(); diff > 1500*time.Millisecond || bare > 10*time.Second {
		t.Errorf("GracefulStop took %s bare and %s wrapped, want the same", bare, wrapped)
	}
}

func stopFrozen(t *testing.T, tr *tracer.Tracer) time.Duration {
	lis := listen(t, "tcp")
	srv := serve(t, tr, lis, interceptors.KeepaliveParams(tr, keepalive.ServerParameters{
		Timeout: 3 * time.Second,
	}))
	msg, err := proto.Marshal(&greeterv1.WatchRequest{
		Interval: durationpb.New(time.Millisecond), PayloadBytes: 1 << 20,
	})
	if err != nil {
		t.Error(err)
		return 0
	}
	peer, err := servertest.Frozen(t.Context(), servertest.DialTCP(lis.Addr().String()),
		servertest.Call{Method: greeterv1.Greeter_Watch_FullMethodName, Message: msg})
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = peer.Close() }()
	<-peer.Ready()
	began := time.Now()
	srv.GracefulStop()
	return time.Since(began)
}
