// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
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
		{status.Error(codes.ResourceExhausted, ""), outcome{fate: fateFailed, reason: lostExhausted}},
		{status.Error(codes.DeadlineExceeded, ""), outcome{fate: fateTimeout}},
		{wrap(context.DeadlineExceeded), outcome{fate: fateTimeout}},
		{status.Error(codes.PermissionDenied, ""), outcome{fate: fateFailed, reason: lostRefused}},
		{status.Error(codes.Internal, ""), outcome{fate: fateFailed, reason: lostRefused}},
		{&url.Error{Op: "Post", Err: errRefused}, outcome{fate: fateUnreachable}},
		{wrap(&net.DNSError{Err: "no such host"}), outcome{fate: fateUnreachable}},
		{wrap(io.EOF), outcome{fate: fateUnreachable}},
		{&panicError{value: "boom"}, outcome{fate: fateFailed, reason: lostPanicked}},
		{errors.New("boom"), outcome{fate: fateFailed, reason: lostFailed}},
		{&partialError{rejected: 4}, outcome{fate: fateSent, reason: lostRejected, rejected: 4}},
		{&partialError{rejected: 400}, outcome{fate: fateSent, reason: lostRejected, rejected: 10}},
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
