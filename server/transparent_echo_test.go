// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
)

// echo is a service that does as it is told by the first word of a message,
// and records what it sees.
type echo struct {
	greeterv1.UnimplementedGreeterServer
	*record
}

func (e *echo) do(ctx context.Context, who, text string) (string, error) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "metadata":
		md, _ := metadata.FromIncomingContext(ctx)
		md = md.Copy()
		delete(md, ":authority")
		e.addf(who, "metadata %s", show(md))
	case "deadline":
		deadline, ok := ctx.Deadline()
		e.addf(who, "deadline %t %s", ok, deadline.Sub(e.began))
	case "bytes":
		n, _ := strconv.Atoi(rest)
		return strings.Repeat("x", n), nil
	case "status":
		st, err := status.New(codes.FailedPrecondition, rest).WithDetails(
			&greeterv1.SayHelloRequest{Name: "detail"}, &greeterv1.ChatRequest{Text: "another"})
		return "", errors.Join(err, st.Err())
	case "error":
		return "", errors.New(rest)
	case "panic":
		panic(rest)
	case "wait": // and some more: both ends learn of a deadline at one instant
		<-ctx.Done()
		e.addf(who, "context is done")
		<-time.After(time.Second) // of the bubble's
		return "", status.Error(codes.Aborted, "done")
	case "cause":
		<-ctx.Done()
		e.addf(who, "%v because %v", ctx.Err(), context.Cause(ctx))
		return "", ctx.Err()
	case "work":
		d, _ := time.ParseDuration(rest)
		<-time.After(d)
		e.addf(who, "worked, %v", ctx.Err())
	}
	return text, nil
}

func (e *echo) SayHello(ctx context.Context, req *greeterv1.SayHelloRequest,
) (*greeterv1.SayHelloResponse, error) {
	err := errors.Join(grpc.SetHeader(ctx, metadata.Pairs("h", "1", "h", "2", "h-bin", "\x00\xff")),
		grpc.SetTrailer(ctx, metadata.Pairs("t", "3")))
	if err != nil {
		return nil, err
	}
	msg, err := e.do(ctx, "unary handler", req.GetName())
	return &greeterv1.SayHelloResponse{Message: msg}, err
}

func (e *echo) Watch(req *greeterv1.WatchRequest,
	s grpc.ServerStreamingServer[greeterv1.WatchResponse],
) error {
	for i := range int64(req.GetCount()) {
		if err := s.Send(&greeterv1.WatchResponse{Sequence: i}); err != nil {
			return err
		}
	}
	return nil
}

func (e *echo) Upload(s grpc.ClientStreamingServer[greeterv1.UploadRequest, greeterv1.UploadResponse]) error {
	var res greeterv1.UploadResponse
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&res)
		}
		if err != nil {
			return err
		}
		res.Chunks++
		res.Bytes += int64(len(req.GetChunk()))
	}
}

func (e *echo) Chat(s grpc.BidiStreamingServer[greeterv1.ChatRequest, greeterv1.ChatResponse]) error {
	if err := s.SetHeader(metadata.Pairs("h", "1")); err != nil {
		return err
	}
	s.SetTrailer(metadata.Pairs("t", "3"))
	for {
		req, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			e.addf("stream handler", "Recv fails")
			return err
		}
		text, err := e.do(s.Context(), "stream handler", req.GetText())
		if err != nil {
			return err
		}
		if err := s.Send(&greeterv1.ChatResponse{Text: text}); err != nil {
			e.addf("stream handler", "Send fails")
			return err
		}
	}
}
