// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

type (
	chatServer = grpc.BidiStreamingServer[greeterv1.ChatRequest, greeterv1.ChatResponse]
	chatClient = grpc.BidiStreamingClient[greeterv1.ChatRequest, greeterv1.ChatResponse]
)

const chat = "greeter.v1.Greeter/Chat"

// chatter is a service with handlers of the test's.
type chatter struct {
	greeterv1.UnimplementedGreeterServer
	chat  func(chatServer) error
	hello func(context.Context) error
}

func (c *chatter) Chat(s chatServer) error { return c.chat(s) }

func (c *chatter) SayHello(ctx context.Context, _ *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	return &greeterv1.SayHelloResponse{}, c.hello(ctx)
}

// party is a server with one client, in a bubble.
type party struct {
	*server.Server
	t       *testing.T
	service *chatter
	health  *health.Server
	conn    *grpc.ClientConn
	served  chan error
	clients sync.WaitGroup
	reports chan *tracer.Report
}

// maker makes a party whose health server is h. It has 20 s: what is left after 18
// is forced.
type maker func(t *testing.T, h *health.Server, opts ...grpc.ServerOption) *party

func made(t *testing.T, h *health.Server, opts ...grpc.ServerOption) *party {
	t.Helper()
	return partyOf(t, h, func(tr *tracer.Tracer) *server.Server { return server.New(tr, graced(opts)...) })
}

// wrapped is made of a server that exists.
func wrapped(t *testing.T, h *health.Server, opts ...grpc.ServerOption) *party {
	t.Helper()
	return partyOf(t, h, func(tr *tracer.Tracer) *server.Server {
		return server.Wrap(grpc.NewServer(), tr, graced(opts)...)
	})
}

func graced(opts []grpc.ServerOption) []grpc.ServerOption {
	return append([]grpc.ServerOption{server.GracePeriod(20 * time.Second)}, opts...)
}

func newParty(t *testing.T, opts ...grpc.ServerOption) *party {
	t.Helper()
	return made(t, health.NewServer(), opts...)
}

func partyOf(t *testing.T, h *health.Server, mk func(*tracer.Tracer) *server.Server) *party {
	t.Helper()
	p := &party{
		t: t, service: &chatter{}, health: h,
		served: make(chan error, 1), reports: make(chan *tracer.Report, 1),
	}
	p.Server = mk(newTracer(t, tracer.WithReport(func(r *tracer.Report) { p.reports <- r })))
	greeterv1.RegisterGreeterServer(p, p.service)
	healthv1.RegisterHealthServer(p, p.health)
	lis := servertest.Listen()
	go func() { p.served <- p.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	p.conn = conn
	t.Cleanup(func() {
		_ = conn.Close()
		p.clients.Wait()
		p.Stop()
		if err := <-p.served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return p
}

// chat opens a stream with a message on it, and waits until nothing happens any
// more.
func (p *party) chat() chatClient {
	p.t.Helper()
	c, err := greeterv1.NewGreeterClient(p.conn).Chat(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	p.send(c, "hello")
	synctest.Wait()
	return c
}

func (p *party) send(c chatClient, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if err := c.Send(&greeterv1.ChatRequest{Text: text}); err != nil {
			p.t.Fatal(err)
		}
	}
}

// shutdown stops the server and says how long that took, and whether it was
// forced.
func (p *party) shutdown() (took time.Duration, forced bool) {
	p.t.Helper()
	began := time.Now()
	err := p.Shutdown(context.Background())
	var deadline *server.DeadlineError
	if forced = errors.As(err, &deadline); err != nil && !forced {
		p.t.Errorf("Shutdown: %v", err)
	}
	return time.Since(began), forced
}

// wantTook expects a stop that nothing forced.
func (p *party) wantTook(want time.Duration) {
	p.t.Helper()
	if took, forced := p.shutdown(); took != want || forced {
		p.t.Errorf("the stop took %s (forced: %t), want %s", took, forced, want)
	}
}
