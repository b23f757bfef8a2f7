// SPDX-License-Identifier: Apache-2.0

package accuracy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/hermetic"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/watch"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// scene is one server over TCP, its clients and its shutdown.
type scene struct {
	kind
	t     *testing.T
	rand  *rand.Rand
	certs *certificates
	table func() *watch.Server // of the server that was made last
	// spinning is how many goroutines take all the time that they get, while it stops.
	spinning int
	srv      *server.Server
	held     *held
	dials    []servertest.DialFunc // one a listener
	served   sync.WaitGroup
	peers    []servertest.Peer
	clients  []*servertest.Client
	report   *tracer.Report
}

// certificates are made once: a key takes longer than a stop.
type certificates struct{ server, client *tls.Config }

// maxConns is how many connections a shutdown has at most. How many is drawn so that
// one with 2 is as frequent as one with 20 and one with 200.
const maxConns = 200

// play runs the scene from the first listener to the last goroutine, and returns what
// the public hooks made of its shutdown.
func (s *scene) play() (r *tracer.Report, conns int) {
	s.t.Helper()
	s.serve()
	for _, peer := range s.kind.peers {
		p, err := peer(s.t.Context(), s.dial())
		s.check(err)
		s.peers = append(s.peers, p)
	}
	if s.most > 0 {
		conns = int(math.Exp(s.rand.Float64() * math.Log(float64(s.most)+0.99)))
	}
	for range conns {
		s.clients = append(s.clients, s.connect())
	}
	for range len(s.clients) * s.streams {
		<-s.held.begun
	}
	s.stop()
	for _, p := range s.peers {
		_ = p.Close()
	}
	for _, c := range s.clients {
		_ = c.Close()
	}
	s.served.Wait()
	return s.report, conns
}

func (s *scene) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// serve starts a server as its users do, with the sensors of the public hooks.
func (s *scene) serve() {
	t, err := tracer.New(hermetic.Context(context.Background()),
		tracer.WithLogger(slog.New(slog.DiscardHandler)),
		tracer.WithReport(func(r *tracer.Report) { s.report = r }))
	s.check(err)
	s.t.Cleanup(t.Close)
	var opts []grpc.ServerOption
	if len(s.kind.peers) > 0 {
		opts = append(opts, grpc.ConnectionTimeout(handshakes))
	}
	if s.tls {
		creds := credentials.NewTLS(s.certs.server.Clone())
		opts = append(opts, grpc.Creds(interceptors.Credentials(t, creds)))
	}
	s.srv = server.New(t, opts...)
	s.held = &held{begun: make(chan struct{}, 16), release: make(chan struct{}), deaf: s.deaf}
	greeterv1.RegisterGreeterServer(s.srv, s.held)
	serving := make(chan struct{}, max(1, s.listeners))
	s.table().OnServe(func() { serving <- struct{}{} })
	for range max(1, s.listeners) {
		lis, err := net.Listen("tcp", "127.0.0.1:0")
		s.check(err)
		dial := servertest.DialTCP(lis.Addr().String())
		s.dials = append(s.dials, dial)
		s.served.Go(func() {
			if err := s.srv.Serve(lis); err != nil {
				s.t.Error(err)
			}
		})
		<-serving
	}
}

func (s *scene) dial() servertest.DialFunc { return s.dials[s.rand.IntN(len(s.dials))] }

// connect opens a connection, with its streams. Where the kind has handshakes that end
// by their timeout others may, too, on a machine that is busy: they try again.
func (s *scene) connect() *servertest.Client {
	dial := s.dial()
	if s.tls {
		dial = servertest.DialTLS(dial, s.certs.client)
	}
	for range 10 {
		c, err := servertest.Connect(s.t.Context(), dial, s.policy())
		if err != nil {
			continue
		}
		select {
		case <-c.Ready():
			s.open(c)
			return c
		case <-c.Done():
			_ = c.Close()
		}
	}
	s.t.Fatalf("%s: no connection in ten attempts", s.name)
	return nil
}

func (s *scene) open(c *servertest.Client) {
	for range s.streams {
		method := "/greeter.v1.Greeter/Watch"
		if s.rand.IntN(2) == 0 {
			method = "/greeter.v1.Greeter/SayHello"
		}
		_, err := c.Open(servertest.Call{Method: method})
		s.check(err)
	}
}

// stop calls what the kind says, has the clients do what it says, and waits.
func (s *scene) stop() {
	defer spin(s.spinning)()
	var calls sync.WaitGroup
	calls.Go(func() {
		if s.hard {
			s.srv.Stop()
			return
		}
		s.srv.GracefulStop()
	})
	if s.then != nil {
		for _, c := range s.clients {
			select {
			case <-c.GoAway():
			case <-c.Done():
			}
		}
		s.then(s)
	}
	calls.Wait()
}

// held is a greeter whose handlers wait.
type held struct {
	greeterv1.UnimplementedGreeterServer
	begun   chan struct{}
	release chan struct{}
	deaf    bool // to its context
}

func (h *held) hold(ctx context.Context) error {
	h.begun <- struct{}{}
	done := ctx.Done()
	if h.deaf {
		done = nil
	}
	select {
	case <-h.release:
		return nil
	case <-done:
		return ctx.Err()
	}
}

// SayHello implements greeterv1.GreeterServer.
func (h *held) SayHello(ctx context.Context, _ *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	return &greeterv1.SayHelloResponse{}, h.hold(ctx)
}

// Watch implements greeterv1.GreeterServer.
func (h *held) Watch(_ *greeterv1.WatchRequest, ss greeterv1.Greeter_WatchServer) error {
	return h.hold(ss.Context())
}
