// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/servertest"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

const (
	someone    = "ada"    // whom every client greets
	kindVanish = "vanish" // a command, and the kind of its client
	kindUnread = "unread" // reads none of its answer
	kindMute   = "mute"   // acknowledges no PING; speaks TLS where the server does
)

// healthy is a client as users have it.
type healthy struct {
	conn   *grpc.ClientConn
	cancel context.CancelFunc
	done   chan struct{} // its call has ended
}

func (h *healthy) Close() error {
	h.cancel()
	<-h.done
	return h.conn.Close()
}

// add keeps a client under a name: its kind and a number.
func (s *story) add(kind string, c io.Closer) {
	n := 1
	for _, name := range s.order {
		if strings.TrimRight(name, "0123456789") == kind {
			n++
		}
	}
	name := fmt.Sprintf("%s%d", kind, n)
	s.order = append(s.order, name)
	s.clients[name] = c
}

func (s *story) closeClient(name string) error {
	c, ok := s.clients[name]
	if !ok {
		return fmt.Errorf("there is no client %q", name)
	}
	delete(s.clients, name)
	return c.Close()
}

// healthy connects a real grpc client and runs f as its call.
func (s *story) healthy(args arguments, kind string,
	f func(context.Context, grpc.ClientConnInterface),
) error {
	dial, err := s.dial(args)
	if err != nil {
		return err
	}
	deadline, err := args.duration("deadline", 0)
	if err != nil {
		return err
	}
	creds := insecure.NewCredentials()
	if s.tls != nil {
		creds = credentials.NewTLS(s.tls)
	}
	conn, err := grpc.NewClient("passthrough:///greeter",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }),
		grpc.WithTransportCredentials(creds))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if deadline > 0 {
		ctx, cancel = context.WithTimeout(context.Background(), deadline)
	}
	if client, ok := args.keys["client"]; ok {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-forwarded-for", client)
	}
	h := &healthy{conn: conn, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		f(ctx, conn)
	}()
	s.add(kind, h)
	return nil
}

func (s *story) call(args arguments) (string, error) {
	hold, err := args.duration("hold", 0)
	if err != nil {
		return "", err
	}
	name := someone
	if call, ok := args.keys["stops"]; ok {
		name = pleaseStop + call
	}
	times, err := args.number("times", 1)
	if err != nil {
		return "", err
	}
	return "", s.healthy(args, "call", func(ctx context.Context, c grpc.ClientConnInterface) {
		var calls sync.WaitGroup
		for range times {
			calls.Go(func() {
				// What it answers is not the story.
				_, _ = greeterv1.NewGreeterClient(c).SayHello(ctx, &greeterv1.SayHelloRequest{
					Name: name, Duration: durationpb.New(hold), IgnoreCancel: args.has("ignore"),
				})
			})
		}
		calls.Wait()
	})
}

// stream opens a stream, sends some messages and leaves it open.
func (s *story) stream(args arguments) (string, error) {
	n, err := args.number("messages", 1)
	if err != nil {
		return "", err
	}
	return "", s.healthy(args, "stream", func(ctx context.Context, c grpc.ClientConnInterface) {
		_ = openStream(ctx, c, args.first, n) // ends with the connection
		<-ctx.Done()
	})
}

func openStream(ctx context.Context, conn grpc.ClientConnInterface, kind string, n int) error {
	c := greeterv1.NewGreeterClient(conn)
	switch kind {
	case "health":
		return watchHealth(ctx, healthv1.NewHealthClient(conn))
	case "busy":
		return talk(ctx, c)
	case "reflection":
		return reflect(ctx, reflectionv1.NewServerReflectionClient(conn))
	case "watch", "once":
		req := &greeterv1.WatchRequest{Name: someone, Interval: durationpb.New(time.Hour)}
		if kind == "once" {
			req.Count = 1
		}
		w, err := c.Watch(ctx, req)
		if err != nil {
			return err
		}
		_, err = w.Recv()
		return err
	case "upload":
		u, err := c.Upload(ctx)
		for i := 0; err == nil && i < n; i++ {
			err = u.Send(&greeterv1.UploadRequest{Chunk: []byte("chunk")})
		}
		return err
	case "chat":
		u, err := c.Chat(ctx)
		for i := 0; err == nil && i < n; i++ {
			if err = u.Send(&greeterv1.ChatRequest{Text: "hello"}); err == nil {
				_, err = u.Recv()
			}
		}
		return err
	}
	return fmt.Errorf("unknown kind of stream %q", kind)
}

// connect brings a client that misbehaves.
func (s *story) connect(cmd string, args arguments) (string, error) {
	dial, err := s.dial(args)
	if err != nil {
		return "", err
	}
	hold, err := args.duration("hold", 0)
	if err != nil {
		return "", err
	}
	kind := args.first
	if cmd == kindVanish {
		kind = cmd
	}
	if kind == "nopreface" {
		p, err := servertest.NoPreface(context.Background(), dial, s.tls)
		if err != nil {
			return "", err
		}
		s.add(kind, p)
		<-p.Ready()
		return "", nil
	}
	calls := s.helloFor(hold, args)
	if kind == kindUnread {
		calls = []servertest.Call{hello(strings.Repeat(someone, smallWindow), hold, false)}
	}
	if kind == kindMute && s.tls != nil {
		dial = servertest.DialTLS(dial, s.tls)
	}
	p, err := connect(kind, dial, calls)
	if err != nil {
		return "", err
	}
	s.add(kind, p)
	if kind != kindVanish && kind != kindUnread {
		<-p.Ready()
		return "", nil
	}
	return "", nil
}

// open makes one more call on the connection of a client that misbehaves: a
// healthy one opens nothing after a GOAWAY.
func (s *story) open(args arguments) error {
	hold, err := args.duration("hold", time.Millisecond)
	if err != nil {
		return err
	}
	c, ok := s.clients[args.first].(*servertest.Client)
	if !ok {
		return fmt.Errorf("there is no such client: %q", args.first)
	}
	for _, call := range s.helloFor(hold, args) {
		stream, err := c.Open(call)
		if err != nil {
			return err
		}
		s.calls[args.first] = append(s.calls[args.first], stream)
	}
	return nil
}

// cancel resets what open has opened.
func (s *story) cancel(name string) error {
	for _, stream := range s.calls[name] {
		if err := stream.Cancel(); err != nil {
			return err
		}
	}
	delete(s.calls, name)
	return nil
}

// smallWindow is that of a client which reads none of its answer.
const smallWindow = 1 << 10

// talk sends a message every 300 ms.
func talk(ctx context.Context, c greeterv1.GreeterClient) error {
	chat, err := c.Chat(ctx)
	for err == nil {
		if err = chat.Send(&greeterv1.ChatRequest{Text: "hello"}); err != nil {
			break
		}
		if _, err = chat.Recv(); err != nil {
			break
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return err
}

// reflect asks what services there are, and leaves the stream open as tools do.
func reflect(ctx context.Context, c reflectionv1.ServerReflectionClient) error {
	r, err := c.ServerReflectionInfo(ctx)
	if err != nil {
		return err
	}
	if err := r.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		return err
	}
	_, err = r.Recv()
	return err
}

// watchFor is a Watch whose greetings fill any window.
func watchFor() servertest.Call {
	msg, err := proto.Marshal(&greeterv1.WatchRequest{
		Name: someone, Interval: durationpb.New(time.Millisecond), PayloadBytes: 16 << 10,
	})
	if err != nil {
		panic(err) // a message of ours
	}
	return servertest.Call{Method: greeterv1.Greeter_Watch_FullMethodName, Message: msg}
}

func (*story) helloFor(hold time.Duration, args arguments) []servertest.Call {
	if hold == 0 {
		return nil
	}
	return []servertest.Call{hello(someone, hold, args.has("ignore"))}
}

func hello(name string, hold time.Duration, ignore bool) servertest.Call {
	msg, err := proto.Marshal(&greeterv1.SayHelloRequest{
		Name: name, Duration: durationpb.New(hold), IgnoreCancel: ignore,
	})
	if err != nil {
		panic(err) // a message of ours
	}
	return servertest.Call{Method: greeterv1.Greeter_SayHello_FullMethodName, Message: msg}
}

func connect(kind string, dial servertest.DialFunc, calls []servertest.Call) (servertest.Peer, error) {
	ctx := context.Background()
	switch kind {
	case "silent":
		return servertest.Silent(ctx, dial)
	case "halftls":
		return servertest.HalfTLS(ctx, dial)
	case "halfpreface":
		return servertest.HalfPreface(ctx, dial)
	case "slowreader":
		return servertest.SlowReader(ctx, dial, watchFor(), 0)
	case kindUnread:
		return servertest.SlowReader(ctx, dial, calls[0], smallWindow)
	case "nomessage":
		return servertest.NoMessage(ctx, dial,
			servertest.Call{Method: greeterv1.Greeter_SayHello_FullMethodName})
	case "plain":
		return servertest.Connect(ctx, dial, servertest.Obedient())
	case kindMute:
		return servertest.Mute(ctx, dial, calls...)
	case "linger":
		return servertest.Linger(ctx, dial, calls...)
	case kindVanish:
		if len(calls) == 0 {
			return nil, fmt.Errorf("vanish needs hold=")
		}
		return vanish(ctx, dial, calls[0])
	}
	return nil, fmt.Errorf("unknown client %q", kind)
}

// vanish opens an RPC and resets its connection when its handler runs.
func vanish(ctx context.Context, dial servertest.DialFunc, call servertest.Call) (servertest.Peer, error) {
	started := make(chan struct{})
	p, err := servertest.Vanisher(ctx, dial, call, started)
	if err != nil {
		return nil, err
	}
	synced, err := p.Sync()
	if err != nil {
		return nil, err
	}
	<-synced
	synctest.Wait() // the handler has read its message and works
	close(started)
	return p, nil
}
