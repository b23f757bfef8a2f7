// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Reasons for which spans are lost: the keys of Result.Lost.
const (
	lostUnreachable = "collector unreachable" // nobody ever answered
	lostGone        = "collector gone"        // answered before, away at the end
	lostTimeout     = "timeout"               // no answer within Flush
	lostExhausted   = "resource exhausted"    // too large or too much for it
	lostRefused     = "collector refused"     // any other status
	lostRejected    = "rejected"              // partial success
	lostFailed      = "exporter failed"       // a Factory's exporter, or none built
	lostPanicked    = "exporter panicked"
	lostQueueFull   = "queue full"
	lostAfterFlush  = "after flush"
	lostSpool       = "spool" // there is one, and it has not taken it either
)

// fate is what became of one attempt to export.
type fate int

const (
	fateSent        fate = iota
	fateUnreachable      // transient: no connection, or the peer is not ready
	fateTimeout          // transient: no answer in time
	fateThrottled        // transient: the collector said when to come back
	fateFailed           // final
)

type outcome struct {
	fate       fate
	reason     string // of the loss, for fateFailed and a partial fateSent
	rejected   int    // of a batch that was sent
	retryAfter time.Duration
	err        error
}

func (o outcome) transient() bool {
	return o.fate == fateUnreachable || o.fate == fateTimeout || o.fate == fateThrottled
}

// partialError says that the collector took a batch but for some spans.
type partialError struct {
	rejected int64
	msg      string
}

func (p *partialError) Error() string {
	return fmt.Sprintf("collector rejected %d spans: %s", p.rejected, p.msg)
}

// classify follows the retryable codes of the OTLP specification (Failures,
// OTLP/gRPC), for gRPC exporters, and common network errors for others.
//
// What is left of err may be logged, see [scrub].
func classify(err error, spans int) outcome {
	out := judge(err, spans)
	out.err = scrubbed(out.err)
	return out
}

func judge(err error, spans int) outcome {
	if err == nil {
		return outcome{fate: fateSent}
	}
	if n, ok := rejectedSpans(err); ok {
		n = max(0, min(n, spans))
		return outcome{fate: fateSent, reason: lostRejected, rejected: n, err: err}
	}
	var p *panicError
	if errors.As(err, &p) {
		return outcome{fate: fateFailed, reason: lostPanicked, err: err}
	}
	if st, ok := status.FromError(err); ok && st.Code() != codes.Unknown {
		return classifyStatus(st, err)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return outcome{fate: fateTimeout, err: err}
	case isNetwork(err):
		return outcome{fate: fateUnreachable, err: err}
	}
	return outcome{fate: fateFailed, reason: lostFailed, err: err}
}

func classifyStatus(st *status.Status, err error) outcome {
	switch st.Code() {
	case codes.Unavailable, codes.Aborted, codes.OutOfRange, codes.DataLoss:
		d, _ := retryDelay(st)
		return outcome{fate: fateUnreachable, retryAfter: d, err: err}
	case codes.DeadlineExceeded, codes.Canceled:
		return outcome{fate: fateTimeout, err: err}
	case codes.ResourceExhausted:
		if d, ok := retryDelay(st); ok {
			return outcome{fate: fateThrottled, retryAfter: d, err: err}
		}
		return outcome{fate: fateFailed, reason: lostExhausted, err: err}
	}
	return outcome{fate: fateFailed, reason: lostRefused, err: err}
}

// retryDelay reads google.rpc.RetryInfo by its method: importing errdetails
// would put one more module into users' builds.
func retryDelay(st *status.Status) (time.Duration, bool) {
	for _, d := range st.Details() {
		if info, ok := d.(interface{ GetRetryDelay() *durationpb.Duration }); ok {
			return max(info.GetRetryDelay().AsDuration(), 0), true
		}
	}
	return 0, false
}

// rejectedSpans also reads the error that a user's own otlptracegrpc returns
// for a partial success (v1.47 does, v1.35 does not); its type is internal.
func rejectedSpans(err error) (int, bool) {
	var p *partialError
	if errors.As(err, &p) {
		return int(p.rejected), true
	}
	_, rest, found := strings.Cut(err.Error(), "OTLP partial success: ")
	if !found || status.Code(err) != codes.Unknown {
		return 0, false
	}
	var n int
	if i := strings.LastIndex(rest, "("); i >= 0 {
		_, scanErr := fmt.Sscanf(rest[i:], "(%d spans rejected)", &n)
		return n, scanErr == nil
	}
	return 0, false
}

func isNetwork(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) || errors.As(err, &dns) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
