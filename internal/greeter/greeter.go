// SPDX-License-Identifier: Apache-2.0

// Package greeter implements the demo service: handlers that hold a shutdown in
// each of the ways that a user's do.
package greeter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// Server implements greeter.v1.Greeter. The zero value is ready.
type Server struct {
	greeterv1.UnimplementedGreeterServer
}

// SayHello works for the duration in the request, then answers.
func (*Server) SayHello(ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	done := ctx.Done()
	if req.GetIgnoreCancel() {
		done = nil
	}
	if err := work(ctx, done, req.GetDuration().AsDuration()); err != nil {
		return nil, err
	}
	return &greeterv1.SayHelloResponse{Message: "hello " + req.GetName()}, nil
}

// Watch sends greetings until it has sent as many as it was asked for.
func (*Server) Watch(req *greeterv1.WatchRequest, stream greeterv1.Greeter_WatchServer) error {
	every := time.Second
	if req.GetInterval() != nil {
		every = max(req.GetInterval().AsDuration(), time.Millisecond)
	}
	payload := make([]byte, min(max(req.GetPayloadBytes(), 0), 1<<20))
	ctx := stream.Context()
	for i := int64(1); ; i++ {
		msg := fmt.Sprintf("hello %s, %d", req.GetName(), i)
		res := &greeterv1.WatchResponse{Message: msg, Sequence: i, Payload: payload}
		if err := stream.Send(res); err != nil {
			return err
		}
		if n := int64(req.GetCount()); n > 0 && i >= n {
			return nil
		}
		if err := work(ctx, ctx.Done(), every); err != nil {
			return err
		}
	}
}

// Upload receives until the client half-closes.
func (*Server) Upload(stream greeterv1.Greeter_UploadServer) error {
	var res greeterv1.UploadResponse
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&res)
		}
		if err != nil {
			return err
		}
		res.Chunks++
		res.Bytes += int64(len(req.GetChunk()))
	}
}

// Chat answers each message until the client half-closes.
func (*Server) Chat(stream greeterv1.Greeter_ChatServer) error {
	for {
		req, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&greeterv1.ChatResponse{Text: "you said " + req.GetText()}); err != nil {
			return err
		}
	}
}

// work takes d, or ends with ctx's error when done is closed.
func work(ctx context.Context, done <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-done:
		return ctx.Err()
	}
}
