// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/selfsigned"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/server"
)

// portListener tells one of several listeners from the others, and is as slow
// as users' own listeners are.
type portListener struct {
	*servertest.Listener
	addr        net.TCPAddr
	close       time.Duration // how long Close takes
	acceptStays time.Duration // how long Accept stays after Close
	peers       string        // where clients come from, if not from the network
}

func (l *portListener) Addr() net.Addr { return &l.addr }

func (l *portListener) Close() error {
	<-time.After(l.close)
	return l.Listener.Close()
}

func (l *portListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		<-time.After(l.acceptStays)
		return nil, err
	}
	return from(c, l.peers), nil
}

// more are the options that few stories set.
func (s *story) more(args arguments) ([]grpc.ServerOption, error) {
	hooks, err := s.hookOptions(args)
	if err != nil {
		return nil, err
	}
	bounds, err := limits(args)
	if err != nil {
		return nil, err
	}
	around, err := aroundStop(args)
	if err != nil {
		return nil, err
	}
	told, err := s.told(args)
	return slices.Concat(hooks, bounds, around, told), err
}

// aroundStop are options about what comes before and after grpc's stop.
func aroundStop(args arguments) (opts []grpc.ServerOption, err error) {
	duck, err := args.duration("lameduck", 0)
	if err != nil {
		return nil, err
	}
	if duck > 0 {
		opts = append(opts, server.LameDuck(duck))
	}
	flush, err := args.duration("flush", 0)
	if flush > 0 {
		opts = append(opts, server.WithFlush("traces", func(ctx context.Context) error {
			select {
			case <-time.After(flush):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}))
	}
	return opts, err
}

// limits are options of grpc's about what clients may do.
func limits(args arguments) (opts []grpc.ServerOption, err error) {
	streams, err := args.number("streams", 0)
	if err != nil {
		return nil, err
	}
	if streams > 0 {
		opts = append(opts, grpc.MaxConcurrentStreams(uint32(streams))) //nolint:gosec // a few
	}
	age, err := args.duration("age", 0)
	if age > 0 {
		opts = append(opts, grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: age}))
	}
	return opts, err
}

// nearConn is a connection whose peer is not on the network.
type nearConn struct {
	net.Conn
	peer net.Addr
}

func (c *nearConn) RemoteAddr() net.Addr { return c.peer }

// from gives a connection a peer: bufconn, or a port of an address.
func from(c net.Conn, where string) net.Conn {
	switch where {
	case "":
		return c
	case inMemory:
		return &nearConn{c, memoryAddr{}}
	}
	port := c.RemoteAddr().(*net.TCPAddr).Port
	return &nearConn{c, &net.TCPAddr{IP: net.ParseIP(where), Port: port}}
}

// inMemory is what bufconn calls its network and its addresses.
const inMemory = "bufconn"

// memoryAddr is the address of both ends of a bufconn connection.
type memoryAddr struct{}

// Network implements net.Addr.
func (memoryAddr) Network() string { return inMemory }

func (memoryAddr) String() string { return inMemory }

// serve starts the server on one or more memory listeners.
func (s *story) serve(args arguments) (string, error) {
	timeout, err := args.duration("timeout", 0)
	if err != nil {
		return "", err
	}
	grace, err := args.duration("grace", 20*time.Second)
	if err != nil {
		return "", err
	}
	n, err := args.number("listeners", 1)
	if err != nil {
		return "", err
	}
	closeTakes, err := args.duration("close", 0)
	if err != nil {
		return "", err
	}
	acceptStays, err := args.duration("accept", 0)
	if err != nil {
		return "", err
	}
	opts, err := s.more(args)
	if err != nil {
		return "", err
	}
	opts = append(opts, server.GracePeriod(grace))
	if args.has("handlers") {
		opts = append(opts, grpc.WaitForHandlers(true))
	}
	if timeout > 0 {
		opts = append(opts, grpc.ConnectionTimeout(timeout))
	}
	if args.has("tls") {
		var forServer *tls.Config
		if forServer, s.tls, err = selfsigned.Config(); err != nil {
			return "", err
		}
		creds := credentials.NewTLS(forServer)
		if args.keys["tls"] == "wrapped" {
			creds = interceptors.Credentials(s.tracer, creds)
		}
		opts = append(opts, grpc.Creds(creds))
	}
	s.server = server.New(s.tracer, opts...)
	s.register(args)
	if args.has("unserved") {
		interceptors.Listener(s.tracer, servertest.Listen())
	}
	for i := range n {
		l := servertest.Listen()
		s.listeners = append(s.listeners, l)
		s.serveOn(&portListener{
			Listener: l, addr: net.TCPAddr{IP: l.Addr().(*net.TCPAddr).IP, Port: 50051 + i},
			close: closeTakes, acceptStays: acceptStays, peers: args.keys["peers"],
		})
	}
	return "", nil
}

func (s *story) serveOn(l net.Listener) {
	s.serving.Go(func() {
		err := s.server.Serve(l)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.served = append(s.served, err)
	})
}

// serveAgain calls Serve after a stop.
func (s *story) serveAgain() (string, error) {
	return fmt.Sprintf("Serve returned %v", s.server.Serve(servertest.Listen())), nil
}

// dial is how clients reach the server: listener 0 unless on=N says otherwise.
func (s *story) dial(args arguments) (servertest.DialFunc, error) {
	n, err := args.number("on", 0)
	if err != nil {
		return nil, err
	}
	if n >= len(s.listeners) {
		return nil, fmt.Errorf("there is no listener %d", n)
	}
	return s.listeners[n].Dial, nil
}
