// SPDX-License-Identifier: Apache-2.0

package rollout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// job is what one process does: it stops so many servers, as many at once as it may.
type job struct {
	First   int `json:"first"` // the number of its first server
	Servers int `json:"servers"`
	AtOnce  int `json:"at_once"`
	Clients int `json:"clients"` // of each server
	Streams int `json:"streams"` // of each client
	// Killed says that the stops do not end: what they are is told on stdout, and
	// whoever started the process kills it.
	Killed bool `json:"killed"`
}

// line is what a process says of a stop: that it told what holds it or, at its end, its
// report.
type line struct {
	Told   string         `json:"told,omitempty"` // trace id
	Report *tracer.Report `json:"report,omitempty"`
}

// versions are those of the service that is rolled out.
var versions = []string{"1.4.0", "1.4.1", "1.4.2"}

// How a stop goes is told by the server's number, modulo ways: none of these, and the
// streams hold it as long as they last.
const (
	ways          = 20
	stopForced    = 0 // one stream does not end until Stop is called
	stopHandshake = 1 // a client is silent until it is closed
	stopHandler   = 5 // or less: a unary handler takes its time
)

const (
	streamsEnd = 60 * time.Millisecond  // after the call
	forcedAt   = 300 * time.Millisecond // likewise
	budget     = 2 * time.Second        // of a stop that has a silent client: it gets a quarter of it
	handlerFor = 150 * time.Millisecond
	never      = 10 * time.Minute
)

func work(text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	var (
		out   = json.NewEncoder(os.Stdout)
		mu    sync.Mutex // guards out and errs
		errs  []error
		all   sync.WaitGroup
		slots = make(chan struct{}, j.AtOnce)
	)
	say := func(l line) {
		mu.Lock()
		defer mu.Unlock()
		err := out.Encode(l) // a report can be encoded
		errs = append(errs, err)
	}
	for i := range j.Servers {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			s := &stop{job: &j, number: j.First + i, say: say}
			if err := s.run(context.Background()); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("server %d: %w", s.number, err))
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// stop is a server that is stopped while its clients are at work.
type stop struct {
	*job
	number int
	say    func(line)
	server *server.Server
	addr   string

	clients []*grpc.ClientConn
	streams []greeterv1.Greeter_ChatClient
}

func (s *stop) run(ctx context.Context) error {
	tr, err := tracer.New(ctx, tracer.WithLogger(slog.New(&teller{s: s})),
		tracer.WithResource(resource.NewSchemaless(
			attribute.String("service.version", versions[s.number%len(versions)]))),
		tracer.WithReport(func(r *tracer.Report) { s.say(line{Report: r}) }))
	if err != nil {
		return err
	}
	defer tr.Close()
	s.server = server.New(tr, server.GracePeriod(never))
	greeterv1.RegisterGreeterServer(s.server, &greeter.Server{})
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = lis.Addr().String()
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(lis) }()
	defer s.close()
	if err := s.begin(ctx); err != nil {
		return err
	}
	if err := s.shutDown(ctx); err != nil {
		return err
	}
	return <-served
}

// begin connects the clients and waits until each stream is open.
func (s *stop) begin(ctx context.Context) error {
	for i := range s.Clients {
		conn, err := grpc.NewClient(s.addr, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithUserAgent(fmt.Sprintf("shop-%d", i%3)))
		if err != nil {
			return err
		}
		s.clients = append(s.clients, conn)
		for range s.Streams {
			chat, err := greeterv1.NewGreeterClient(conn).Chat(ctx)
			if err != nil {
				return err
			}
			s.streams = append(s.streams, chat)
			if err := chat.Send(&greeterv1.ChatRequest{}); err != nil {
				return err
			}
		}
	}
	for _, chat := range s.streams {
		if _, err := chat.Recv(); err != nil {
			return err
		}
	}
	return nil
}

func (s *stop) close() {
	for _, conn := range s.clients {
		_ = conn.Close() // the server is gone
	}
}

// teller hears from the log that a checkpoint has come, which says what holds.
type teller struct {
	slog.Handler
	s *stop
}

func (*teller) Enabled(context.Context, slog.Level) bool { return true }

func (t *teller) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "shutdown progress" || !t.s.Killed {
		return nil
	}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "trace_id" {
			t.s.say(line{Told: a.Value.String()})
		}
		return true
	})
	return nil
}
