// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// throttled is a status with google.rpc.RetryInfo{retry_delay: 3s}, made
// without importing its module.
func throttled(code codes.Code) error {
	kind, err := protoregistry.GlobalTypes.FindMessageByName("google.rpc.RetryInfo")
	if err != nil {
		panic(err)
	}
	info := kind.New().Interface()
	if err := proto.Unmarshal([]byte{0x0a, 0x02, 0x08, 0x03}, info); err != nil {
		panic(err)
	}
	st, err := status.New(code, "later").WithDetails(protoadapt.MessageV1Of(info))
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func TestClassify(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("traces export: %w", err) }
	exhausted := outcome{fate: fateExhausted, reason: lostExhausted}
	tooLarge := outcome{fate: fateTooLarge, reason: lostExhausted}
	for _, tt := range []struct {
		err  error
		want outcome
	}{
		{nil, outcome{fate: fateSent}},
		{status.Error(codes.Unavailable, ""), outcome{fate: fateUnreachable}},
		{wrap(status.Error(codes.Unavailable, "")), outcome{fate: fateUnreachable}},
		{errors.Join(status.Error(codes.Aborted, "")), outcome{fate: fateUnreachable}},
		{throttled(codes.Unavailable), outcome{fate: fateUnreachable, retryAfter: 3 * time.Second}},
		{throttled(codes.ResourceExhausted), outcome{fate: fateThrottled, retryAfter: 3 * time.Second}},
		{status.Error(codes.ResourceExhausted, ""), exhausted},
		{wrap(status.Error(codes.ResourceExhausted, "data refused due to high memory usage")), exhausted},
		// grpc-go, its client, grpc-java, Rust's tonic, a gateway that hands it on, nginx.
		{status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), tooLarge},
		{status.Error(codes.ResourceExhausted, "trying to send message larger than max (5 vs. 4)"), tooLarge},
		{status.Error(codes.ResourceExhausted, "gRPC message exceeds maximum size 4: 5"), tooLarge},
		{status.Error(codes.OutOfRange, "Error, message length too large: found 5 bytes"), tooLarge},
		{status.Error(codes.Internal, "grpc: received message larger than max (5 vs. 4)"), tooLarge},
		{status.Error(codes.Unknown, "unexpected HTTP status code received from server: "+
			"413 (Request Entity Too Large)"), tooLarge},
		{errors.New("failed to send to http://c/v1/traces: 413 Request Entity Too Large"), tooLarge},
		{status.Error(codes.Internal, strings.Repeat("x", maxTold)+"larger than max"),
			outcome{fate: fateFailed, reason: lostRefused}},
		{status.Error(codes.DeadlineExceeded, ""), outcome{fate: fateTimeout}},
		{wrap(context.DeadlineExceeded), outcome{fate: fateTimeout}},
		{status.Error(codes.PermissionDenied, ""),
			outcome{fate: fateFailed, reason: lostRefused, barred: true}},
		{status.Error(codes.Internal, ""), outcome{fate: fateFailed, reason: lostRefused}},
		{&url.Error{Op: "Post", Err: errRefused}, outcome{fate: fateUnreachable}},
		{wrap(&net.DNSError{Err: "no such host"}), outcome{fate: fateUnreachable}},
		{wrap(io.EOF), outcome{fate: fateUnreachable}},
		{&panicError{value: "boom"}, outcome{fate: fateFailed, reason: lostPanicked}},
		{errors.New("boom"), outcome{fate: fateFailed, reason: lostFailed}},
		{&partialError{rejected: 4}, outcome{fate: fateSent, reason: lostRejected, rejected: 4}},
		{&partialError{rejected: 400}, outcome{fate: fateSent, reason: lostRejected, rejected: 10}},
		{&partialError{msg: "hm"}, outcome{fate: fateSent}},
		{&partialError{rejected: -1}, outcome{fate: fateSent}},
		{wrap(errors.New("OTLP partial success: too (very) old (3 spans rejected)")),
			outcome{fate: fateSent, reason: lostRejected, rejected: 3}},
		{wrap(errors.New("OTLP partial success: what?")), outcome{fate: fateFailed, reason: lostFailed}},
	} {
		got := classify(tt.err, 10)
		if !errors.Is(got.err, tt.err) {
			t.Errorf("%v: error %v", tt.err, got.err)
		}
		if got.err = nil; got != tt.want {
			t.Errorf("%v: got %+v, want %+v", tt.err, got, tt.want)
		}
	}
}
