// SPDX-License-Identifier: Apache-2.0

package stack_test

import (
	"errors"
	"fmt"
	"net"
	"testing"

	"google.golang.org/grpc"

	"github.com/gracetrace/gracetrace/internal/stack"
)

// looking is a listener whose Accept finds out who calls it.
type looking struct {
	net.Listener
	found string
}

func (l *looking) Accept() (net.Conn, error) {
	l.found = stack.Serving()
	return nil, errors.New("enough")
}

func (*looking) Close() error   { return nil }
func (*looking) Addr() net.Addr { return &net.TCPAddr{} }

// TestServing finds the server in the middle of another's Serve.
func TestServing(t *testing.T) {
	for range 2 {
		s, lis := grpc.NewServer(), &looking{}
		_ = s.Serve(lis)
		if want := fmt.Sprintf("%p", s); lis.found != want {
			t.Errorf("found %q, want %q", lis.found, want)
		}
		s.Stop()
	}
	if got := stack.Serving(); got != "" {
		t.Errorf("found %q where no server serves", got)
	}
}
