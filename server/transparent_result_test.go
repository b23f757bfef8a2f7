// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// both says the same to a unary method and to a stream.
func both(text string) func(context.Context, *record, greeterv1.GreeterClient) {
	return func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		r.unary(ctx, c, text)
		r.chat(ctx, c, "hello", text, "not read")
	}
}

// within is both with a deadline, or cancelled by the client after d.
func within(d time.Duration, text string, cancelled bool,
) func(context.Context, *record, greeterv1.GreeterClient) {
	return func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		for _, call := range []func(context.Context){
			func(ctx context.Context) { r.unary(ctx, c, text) },
			func(ctx context.Context) { r.chat(ctx, c, text) },
		} {
			ctx, cancel := context.WithTimeout(ctx, d)
			if cancelled {
				cancel()
				ctx, cancel = context.WithCancel(context.WithoutCancel(ctx))
				time.AfterFunc(d, cancel)
			}
			call(ctx)
			<-ctx.Done()
			cancel()
		}
	}
}

// resultCases are about what an RPC brings.
var resultCases = []sameCase{
	{name: "results", do: both("hello")},
	{name: "status with details", do: both("status no: way")},
	{name: "an error that is no status", do: both("error of the handler")},
	{name: "headers and trailers", do: func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		both("metadata")(metadata.AppendToOutgoingContext(ctx, "k", "a", "k", "b", "k-bin", "\x00\x01"), r, c)
	}},
	{name: "deadline seen by the handler", do: within(7*time.Second, "deadline", false)},
	{name: "deadline passes", do: within(time.Second, "wait", false)},
	{name: "deadline passes in Recv", do: within(time.Second, "hello", false)},
	{name: "cancelled by the client", do: within(time.Second, "cause", true)},
	{name: "all four kinds", do: func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		both("hello")(ctx, r, c)
		watch, err := c.Watch(ctx, &greeterv1.WatchRequest{Count: 3})
		for err == nil {
			var res *greeterv1.WatchResponse
			if res, err = watch.Recv(); err == nil {
				r.addf("client", "Watch: %d", res.GetSequence())
			}
		}
		if !errors.Is(err, io.EOF) {
			r.outcome("Watch", err, nil, nil)
		}
		upload, err := c.Upload(ctx)
		if err != nil {
			r.outcome("Upload", err, nil, nil)
			return
		}
		for range 3 {
			r.addf("client", "Upload: %v", upload.Send(&greeterv1.UploadRequest{Chunk: []byte("abc")}))
		}
		res, err := upload.CloseAndRecv()
		r.outcome(res.GetBytes(), err, nil, upload.Trailer())
	}},
	{name: "compression", do: func(ctx context.Context, r *record, c greeterv1.GreeterClient) {
		long := strings.Repeat("long ", 5000)
		r.unary(ctx, c, long, grpc.UseCompressor(gzip.Name))
		s, err := c.Chat(ctx, grpc.UseCompressor(gzip.Name))
		if err != nil {
			r.outcome("Chat", err, nil, nil)
			return
		}
		_ = s.Send(&greeterv1.ChatRequest{Text: long})
		res, err := s.Recv()
		r.outcome(len(res.GetText()), err, nil, nil)
		_ = s.CloseSend()
		_, err = s.Recv()
		r.addf("client", "the end: %v", err)
	}, server: traffic},
	{name: "a message that is none", do: func(ctx context.Context, r *record, _ greeterv1.GreeterClient) {
		err := r.cc.Invoke(ctx, greeterv1.Greeter_SayHello_FullMethodName, nil, nil,
			grpc.ForceCodecV2(rawCodec("\xff\xff")))
		r.outcome("raw", err, nil, nil)
	}},
	{name: "an unknown method", do: func(ctx context.Context, r *record, _ greeterv1.GreeterClient) {
		for _, method := range []string{"/x.Y/Z", "/greeter.v1.Greeter/Z"} {
			err := r.cc.Invoke(ctx, method, &greeterv1.ChatRequest{}, &greeterv1.ChatResponse{})
			r.outcome(method, err, nil, nil)
		}
	}},
}
