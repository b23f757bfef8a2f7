// SPDX-License-Identifier: Apache-2.0

package servertest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"google.golang.org/grpc"
)

// probe is a TCP listener whose connections report how reading and writing
// failed. A Write that takes longer than patience has failed.
type probe struct {
	net.Listener
	read, written chan error
}

const patience = 200 * time.Millisecond

type probeConn struct {
	net.Conn
	probe *probe
}

func (p *probe) Accept() (net.Conn, error) {
	conn, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &probeConn{conn, p}, nil
}

func (c *probeConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	report(c.probe.read, err)
	return n, err
}

func (c *probeConn) Write(b []byte) (int, error) {
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	n, err := c.Conn.Write(b)
	report(c.probe.written, err)
	return n, err
}

// report passes the first error on.
func report(ch chan<- error, err error) {
	if err != nil {
		select {
		case ch <- err:
		default:
		}
	}
}

// serveTCP runs g on a probe until the end of the test.
func serveTCP(t *testing.T, g *greeter, opts ...grpc.ServerOption) *probe {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{Listener: lis, read: make(chan error, 1), written: make(chan error, 1)}
	server := grpc.NewServer(opts...)
	greeterv1.RegisterGreeterServer(server, g)
	served := make(chan error)
	go func() { served <- server.Serve(p) }()
	t.Cleanup(func() {
		server.Stop()
		<-served
	})
	return p
}

func TestVanisherResetsTCP(t *testing.T) {
	server, client := certificate(t)
	for _, test := range []struct {
		name string
		opts []grpc.ServerOption
		tls  *tls.Config
	}{{"plain", nil, nil}, {"TLS", server, client}} {
		t.Run(test.name, func(t *testing.T) {
			started := make(chan struct{})
			p := serveTCP(t, &greeter{hello: func(ctx context.Context) error {
				close(started)
				<-ctx.Done()
				return nil
			}}, test.opts...)
			dial := DialTCP(p.Addr().String())
			if test.tls != nil {
				dial = DialTLS(dial, test.tls)
			}
			c, err := Vanisher(t.Context(), dial, Call{Method: sayHello}, started)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			<-c.Ready()
			err = <-p.read
			if errors.Is(err, io.EOF) { // a Write has had the error instead
				err = <-p.written
			}
			if !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the server sees %v, want ECONNRESET", err)
			}
		})
	}
}

func TestFrozenBlocksTCP(t *testing.T) {
	var sent int
	p := serveTCP(t, &greeter{onWatch: flood(&sent)})
	c, err := Frozen(t.Context(), DialTCP(p.Addr().String()), Call{Method: watch})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	<-c.Ready()
	if err := <-p.written; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the server's Write: %v, want a timeout", err)
	}
}

func TestDialTCPRefused(t *testing.T) {
	_, err := Silent(t.Context(), DialTCP(address.TCP(t)))
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Silent: %v, want ECONNREFUSED", err)
	}
}
