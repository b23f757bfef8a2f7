// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c" //nolint:staticcheck // many have it: see transports
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// held has handlers that say when they begin and end when they are let go.
type held struct {
	greeterv1.UnimplementedGreeterServer

	begun   chan struct{}
	release chan struct{}
}

func newHeld() *held {
	return &held{begun: make(chan struct{}, 8), release: make(chan struct{})}
}

// SayHello ignores its context if asked to.
func (h *held) SayHello(ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	h.begun <- struct{}{}
	done := ctx.Done()
	if req.GetIgnoreCancel() {
		done = nil
	}
	select {
	case <-h.release:
		return &greeterv1.SayHelloResponse{Message: "hello"}, nil
	case <-done:
		return nil, ctx.Err()
	}
}

// Chat is in Recv until its client ends it.
func (h *held) Chat(stream greeterv1.Greeter_ChatServer) error {
	if err := stream.Send(&greeterv1.ChatResponse{Text: "hello"}); err != nil {
		return err
	}
	h.begun <- struct{}{}
	for {
		_, err := stream.Recv()
		if err == io.EOF { //nolint:errorlint // Recv's own
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// port is an http.Server whose port grpc shares with another handler.
type port struct {
	*http.Server

	addr  string
	creds credentials.TransportCredentials
}

// transports are the ways in which HTTP/2 gets to a handler. The http.Server knows
// nothing of a connection that package h2c has hijacked, which many programs do.
var transports = map[string]func(*http.Server) (clientTLS *tls.Config, err error){
	"TLS": func(s *http.Server) (clientTLS *tls.Config, err error) {
		s.TLSConfig, clientTLS, err = selfsigned.Config()
		return clientTLS, err
	},
	"h2c": func(s *http.Server) (*tls.Config, error) {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
		return nil, nil
	},
	"h2c, hijacked": func(s *http.Server) (*tls.Config, error) {
		s.Handler = h2c.NewHandler(s.Handler, &http2.Server{}) //nolint:staticcheck // as above
		return nil, nil
	},
}

// share serves grpc's requests with srv and answers others, on one port.
func share(t *testing.T, srv http.Handler, transport string) *port {
	t.Helper()
	p := &port{Server: &http.Server{
		ReadHeaderTimeout: time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
				srv.ServeHTTP(w, r)
				return
			}
			_, _ = io.WriteString(w, "a page")
		}),
	}}
	client, err := transports[transport](p.Server)
	if err != nil {
		t.Fatal(err)
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr, p.creds = lis.Addr().String(), insecure.NewCredentials()
	serve := p.Serve
	if client != nil {
		p.creds = credentials.NewTLS(client)
		serve = func(lis net.Listener) error { return p.ServeTLS(lis, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve(lis) }()
	t.Cleanup(func() { _ = p.Close(); <-served })
	return p
}

// dial returns a client of the demo service.
func (p *port) dial(t *testing.T) greeterv1.GreeterClient {
	t.Helper()
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(p.creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return greeterv1.NewGreeterClient(conn)
}

// hold calls SayHello and waits until its handler runs.
func (h *held) hold(c greeterv1.GreeterClient, ignoreCancel bool) <-chan error {
	ended := make(chan error, 1)
	go func() {
		_, err := c.SayHello(context.Background(),
			&greeterv1.SayHelloRequest{IgnoreCancel: ignoreCancel})
		ended <- err
	}()
	<-h.begun
	return ended
}

// chat opens a stream and waits until its handler is in Recv.
func (h *held) chat(t *testing.T, c greeterv1.GreeterClient) (end func(), ended <-chan error) {
	t.Helper()
	stream, err := c.Chat(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	<-h.begun
	errs := make(chan error, 1)
	go func() {
		_, err := stream.Recv()
		errs <- err
	}()
	return func() { _ = stream.CloseSend() }, errs
}

// wantUnavailable expects an RPC to have ended with that code and a message.
func wantUnavailable(t *testing.T, what string, err error, message string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != message {
		t.Errorf("%s: %v, want Unavailable, %q", what, err, message)
	}
}
