// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/server"
)

// TestEndRecvLeftBehind: a handler may return while a goroutine of its own
// receives. What that gets is what grpc gives it without the option, be it in a
// Recv, between two, or after the handler.
func TestEndRecvLeftBehind(t *testing.T) {
	for _, test := range []struct {
		name string
		opts []grpc.ServerOption
	}{
		{"grpc's own", nil},
		{"EndRecv", []grpc.ServerOption{server.EndRecv(chat)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newParty(t, test.opts...)
				during, after := make(chan error, 1), make(chan error, 1)
				p.service.chat = func(s chatServer) error {
					_, _ = s.Recv()
					go func() {
						for {
							if _, err := s.Recv(); err != nil {
								during <- err
								break
							}
						}
						<-time.After(time.Second)
						_, err := s.Recv()
						after <- err
					}()
					return nil
				}
				c := p.chat()
				for name, got := range map[string]<-chan error{"during": during, "after": after} {
					if err := <-got; status.Code(err) != codes.Canceled {
						t.Errorf("a Recv %s the handler's return: %v, want Canceled", name, err)
					}
				}
				if _, err := c.Recv(); err == nil {
					t.Error("the stream has not ended")
				}
			})
		})
	}
}
