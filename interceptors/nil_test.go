// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/interceptors"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// TestNilTracer: without a Tracer everything is passed through.
func TestNilTracer(t *testing.T) {
	lis := listen(t, "tcp")
	if interceptors.Listener(nil, lis) != lis {
		t.Error("the listener is wrapped")
	}
	if interceptors.Describe(nil, &greeterv1.Greeter_ServiceDesc, true) != &greeterv1.Greeter_ServiceDesc {
		t.Error("the description is copied")
	}
	if opts := interceptors.ServerOptions(nil); len(opts) != 0 {
		t.Errorf("there are %d options", len(opts))
	}
	serve(t, nil, lis, append(interceptors.ServerOptions(nil),
		interceptors.KeepaliveParams(nil, keepalive.ServerParameters{Timeout: time.Second}))...)
	hello(t, client(t, lis, nil))
}

// TestWrappedOnce: what is watched is not wrapped again.
func TestWrappedOnce(t *testing.T) {
	tr := newTracer(t)
	rec := listen(t, "tcp")
	once := interceptors.Listener(tr, rec)
	if again := interceptors.Listener(tr, once); again != once {
		t.Errorf("%T became %T", once, again)
	}
}

// TestListenerOfAnotherServer: whoever wrapped a listener for one server and
// gives it to another has it watched for that other one, and not for the first.
func TestListenerOfAnotherServer(t *testing.T) {
	for name, inner := range map[string]func(*testing.T) net.Listener{
		"with a socket": func(t *testing.T) net.Listener { return listen(t, "tcp").Listener },
		"without":       func(t *testing.T) net.Listener { return listen(t, "tcp") },
	} {
		t.Run(name, func(t *testing.T) {
			first := newTracer(t)
			second := first.ForServer().ForServer()
			lis := interceptors.Listener(second, interceptors.Listener(first, inner(t)))
			if again := interceptors.Listener(second, lis); again != lis {
				t.Errorf("%T became %T", lis, again)
			}
			c, err := net.Dial("tcp", lis.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = c.Close() })
			accept(t, lis)
			if s := first.Table().Snapshot(); len(s.Listeners) != 0 || len(s.Conns) != 0 {
				t.Errorf("the first server has %d listeners and %d connections, want none",
					len(s.Listeners), len(s.Conns))
			}
			if s := second.Table().Snapshot(); len(s.Listeners) != 1 || len(s.Conns) != 1 {
				t.Errorf("the second server has %d listeners and %d connections, want one each",
					len(s.Listeners), len(s.Conns))
			}
		})
	}
}

// TestKeepaliveOfTwoServers: each server of one Tracer has its own timeout, also
// when the second's option is made later.
func TestKeepaliveOfTwoServers(t *testing.T) {
	tr := newTracer(t)
	timeout := func(d time.Duration) grpc.ServerOption {
		return interceptors.KeepaliveParams(tr, keepalive.ServerParameters{Timeout: d})
	}
	interceptors.Install(tr, []grpc.ServerOption{timeout(3 * time.Second)}) // server.New
	second := tr.ForServer().ForServer()
	interceptors.Install(second, []grpc.ServerOption{timeout(5 * time.Second)})
	if got := time.Duration(tr.Table().UserTimeout.Load()); got != 3*time.Second {
		t.Errorf("TCP_USER_TIMEOUT of the first would be %s, want 3s", got)
	}
	if got := time.Duration(second.Table().UserTimeout.Load()); got != 5*time.Second {
		t.Errorf("TCP_USER_TIMEOUT of the second would be %s, want 5s", got)
	}
}
