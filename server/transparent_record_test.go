// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
)

// record is what happened, in the order of each source: client, handler,
// interceptor and so on run at the same time.
type record struct {
	began time.Time
	srv   server.GRPC
	cc    *grpc.ClientConn

	mu    sync.Mutex // guards following
	lines map[string][]string
}

func newRecord() *record {
	return &record{began: time.Now(), lines: make(map[string][]string)}
}

// addf records what a source has seen, and when.
func (r *record) addf(source, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines[source] = append(r.lines[source],
		fmt.Sprintf("%s: ", time.Since(r.began))+fmt.Sprintf(format, args...))
}

// together records what each of fs does, all at the same time, in an order that
// does not depend on who was first.
func (r *record) together(fs ...func(*record)) (wait func()) {
	all := newRecord()
	all.began = r.began
	var wg sync.WaitGroup
	for _, f := range fs {
		wg.Go(func() { f(all) })
	}
	return func() {
		wg.Wait()
		r.mu.Lock()
		defer r.mu.Unlock()
		for source, lines := range all.lines {
			slices.Sort(lines)
			r.lines[source] = append(r.lines[source], lines...)
		}
	}
}

// outcome records how an RPC ended for the client.
func (r *record) outcome(res any, err error, header, trailer metadata.MD) {
	st := status.Convert(err)
	msg := st.Message()
	if st.Code() == codes.DeadlineExceeded {
		msg = "" // who was first, the client's clock or the server's
	}
	r.addf("client", "%v %s %q %v, header %s, trailer %s",
		res, st.Code(), msg, st.Details(), show(header), show(trailer))
}

func show(md metadata.MD) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(md)) {
		fmt.Fprintf(&b, "%s=%q ", k, md[k])
	}
	return "{" + strings.TrimSpace(b.String()) + "}"
}

// unary makes one unary RPC and records it.
func (r *record) unary(ctx context.Context, c greeterv1.GreeterClient, name string,
	opts ...grpc.CallOption,
) {
	var header, trailer metadata.MD
	res, err := c.SayHello(ctx, &greeterv1.SayHelloRequest{Name: name},
		append(opts, grpc.Header(&header), grpc.Trailer(&trailer))...)
	r.outcome(len(res.GetMessage()), err, header, trailer)
}

// chat sends each text and records the answers until the RPC ends.
func (r *record) chat(ctx context.Context, c greeterv1.GreeterClient, texts ...string) {
	s, err := c.Chat(ctx)
	if err != nil {
		r.outcome("open", err, nil, nil)
		return
	}
	for _, text := range texts {
		if err := s.Send(&greeterv1.ChatRequest{Text: text}); err != nil {
			break // the RPC has ended; Recv says how
		}
	}
	_ = s.CloseSend()
	for n := 0; ; n++ {
		res, err := s.Recv()
		if err == nil {
			r.addf("client", "Recv: %d bytes", len(res.GetText()))
			continue
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		header, _ := s.Header()
		r.outcome(n, err, header, s.Trailer())
		return
	}
}

// register adds the services that every server has.
func register(srv server.GRPC) {
	healthpb.RegisterHealthServer(srv, health.NewServer())
	reflection.Register(srv)
}
