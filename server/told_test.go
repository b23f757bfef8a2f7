// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// TestSilentClientHarmsNobody: twenty healthy clients, half of them with an RPC,
// and a silent one. All get a GOAWAY within 5 s of the call, and none is cut.
func TestSilentClientHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, lis := newGreeter(t), servertest.Listen()
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		silent, err := servertest.Silent(t.Context(), lis.Dial)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = silent.Close() }()
		told, ended := make(chan time.Time, 20), make(chan error, 20)
		for i := range 20 {
			conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			takes := time.Duration(i%2) * time.Duration(i) * time.Second // 19 s at most
			go func() {
				_, err := greeterv1.NewGreeterClient(conn).SayHello(context.Background(),
					&greeterv1.SayHelloRequest{Duration: durationpb.New(takes)})
				ended <- err
			}()
			synctest.Wait()
			if conn.GetState() != connectivity.Ready {
				t.Fatalf("client %d is %s", i, conn.GetState())
			}
			go func() { // a client leaves Ready when it gets a GOAWAY
				conn.WaitForStateChange(context.Background(), connectivity.Ready)
				told <- time.Now()
			}()
		}
		begin := time.Now()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		for range 20 {
			if after := (<-told).Sub(begin); after > 5*time.Second {
				t.Errorf("a client was told to go after %s, want 5s at most", after)
			}
			if err := <-ended; err != nil {
				t.Errorf("an RPC was cut: %v", err)
			}
		}
		<-served
	})
}
