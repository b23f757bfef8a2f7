// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// hold is what a handler waits in, a row of the table in docs/handlers.md: how it
// does, and what its client does after the first message.
type hold struct {
	name   string
	chat   func(*party, chatServer) error
	client func(*party, chatClient)
	begin  func(*party, chan<- struct{}) // in place of a chat; closes it at the handler's end
}

var holds = []hold{
	{name: "`srv.Draining()`", chat: func(p *party, _ chatServer) error {
		<-p.Draining()
		return nil
	}},
	{name: "its stream's context", chat: func(_ *party, s chatServer) error {
		<-s.Context().Done()
		return s.Context().Err()
	}},
	{name: "Recv", chat: receiveAll},
	{name: "Recv, in which messages go on to come", chat: receiveAll,
		client: func(p *party, c chatClient) {
			p.clients.Go(func() {
				for c.Send(&greeterv1.ChatRequest{}) == nil {
					time.Sleep(11 * time.Millisecond)
				}
			})
		}},
	{name: "its stream's context, while a goroutine of its own is in Recv",
		chat: func(_ *party, s chatServer) error {
			failed := make(chan error, 1)
			go func() { failed <- receiveAll(nil, s) }()
			select {
			case err := <-failed:
				return err
			case <-s.Context().Done():
				return s.Context().Err()
			}
		}},
	{name: "Send", chat: func(_ *party, s chatServer) error {
		for {
			if err := s.Send(&greeterv1.ChatResponse{Text: strings.Repeat("a", 1<<10)}); err != nil {
				return err
			}
		}
	}},
	{name: "anything else", chat: func(_ *party, _ chatServer) error {
		time.Sleep(17 * time.Second)
		return nil
	}},
	{name: "a unary handler's context", begin: func(p *party, ended chan<- struct{}) {
		p.service.hello = func(ctx context.Context) error {
			defer close(ended)
			<-ctx.Done()
			return ctx.Err()
		}
		p.clients.Go(func() {
			_, _ = greeterv1.NewGreeterClient(p.conn).SayHello(p.t.Context(), &greeterv1.SayHelloRequest{})
		})
	}},
	{name: "a health check's Watch", begin: func(p *party, ended chan<- struct{}) {
		w, err := healthv1.NewHealthClient(p.conn).Watch(p.t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil {
			p.t.Fatal(err)
		}
		p.clients.Go(func() {
			defer close(ended)
			for err == nil {
				_, err = w.Recv()
			}
		})
	}},
}

func receiveAll(_ *party, s chatServer) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

// remedies are the columns.
var remedies = []struct {
	name string
	opts func(*health.Server) []grpc.ServerOption
}{
	{"nothing", func(*health.Server) []grpc.ServerOption { return nil }},
	{"`CancelStreams`", func(*health.Server) []grpc.ServerOption {
		return []grpc.ServerOption{server.CancelStreams(2 * time.Second)}
	}},
	{"`EndRecv`", func(*health.Server) []grpc.ServerOption {
		return []grpc.ServerOption{server.EndRecv(chat)}
	}},
	{"`Health`", func(h *health.Server) []grpc.ServerOption {
		return []grpc.ServerOption{server.Health(h)}
	}},
	{"the forced stop", nil},
}

// start makes a handler wait. ended is closed when it has returned.
func (h *hold) start(p *party) (ended chan struct{}) {
	ended = make(chan struct{})
	if h.begin != nil {
		h.begin(p, ended)
		synctest.Wait()
		return ended
	}
	p.service.chat = func(s chatServer) error {
		defer close(ended)
		return h.chat(p, s)
	}
	c := p.chat()
	if h.client != nil {
		h.client(p, c)
	}
	return ended
}

// frees reports whether an option ends what a handler waits in, long before the
// forced stop does; without one, whether that does.
func frees(t *testing.T, h *hold, opts func(*health.Server) []grpc.ServerOption, mk maker) (freed bool) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		hs := health.NewServer()
		if opts != nil {
			p := mk(t, hs, opts(hs)...)
			h.start(p)
			took, forced := p.shutdown()
			freed = !forced && took < 4*time.Second
			return
		}
		p := mk(t, hs, server.GracePeriod(10*time.Second))
		ended := h.start(p)
		p.shutdown()
		synctest.Wait()
		select {
		case <-ended:
			freed = true
		default:
			<-ended
		}
	})
	return freed
}

const handlersPage = "../docs/handlers.md"

// TestWhatEndsWhat: each cell of the table in docs/handlers.md is what happens,
// with a server that New makes and with one that Wrap gets.
func TestWhatEndsWhat(t *testing.T) {
	page := readFile(t, handlersPage)
	for name, mk := range map[string]maker{"New": made, "Wrap": wrapped} {
		t.Run(name, func(t *testing.T) {
			for i := range holds {
				h := &holds[i]
				row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(h.name) + ` \|(.*)\|$`).
					FindStringSubmatch(page)
				if row == nil {
					t.Errorf("%s has no row for %s", handlersPage, h.name)
					continue
				}
				for j, cell := range strings.Split(row[1], "|") {
					testCell(t, h, j, strings.TrimSpace(cell), mk)
				}
			}
		})
	}
}

func testCell(t *testing.T, h *hold, column int, cell string, mk maker) {
	t.Helper()
	r := remedies[column]
	t.Run(h.name+" "+r.name, func(t *testing.T) {
		if h.name == "anything else" && r.opts == nil && grpcBefore(t, 85) {
			t.Skip("Stop waits for a mutex, which stops the bubble's time")
		}
		if got := frees(t, h, r.opts, mk); got != (cell == "yes") {
			t.Errorf("it ends: %t; %s says %q", got, handlersPage, cell)
		}
	})
}

// TestTableOfHandlers: the page has these columns and rows, and no others.
func TestTableOfHandlers(t *testing.T) {
	page := readFile(t, handlersPage)
	head := "| the handler waits in |"
	for _, r := range remedies {
		head += " " + r.name + " |"
	}
	_, table, ok := strings.Cut(page, head+"\n")
	if !ok {
		t.Fatalf("%s has no table with the head\n%s", handlersPage, head)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	if rows := strings.Count(table, "\n|"); rows != len(holds) {
		t.Errorf("%d rows, want %d", rows, len(holds))
	}
}

// grpcBefore reports whether grpc-go is older than a minor version.
func grpcBefore(t *testing.T, minor int) bool {
	t.Helper()
	var is int
	if _, err := fmt.Sscanf(grpc.Version, "1.%d.", &is); err != nil {
		t.Fatal(err)
	}
	return is < minor
}
