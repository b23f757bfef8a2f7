// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
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
	fateTooLarge         // it never takes so large a request: a smaller one may pass
	fateExhausted        // too much for it now, who knows of what: smaller and later
	fateFailed           // final
)

type outcome struct {
	fate       fate
	reason     string // of the loss, but for transient ones
	rejected   int    // of a batch that was sent
	barred     bool   // fateFailed is about who sends, not about what
	retryAfter time.Duration
	err        error
}

func (o outcome) transient() bool {
	return o.fate == fateUnreachable || o.fate == fateTimeout || o.fate == fateThrottled
}

// partialError says that the collector took a batch but for some spans, or that it
// took all and has something to say.
type partialError struct {
	rejected int64
	msg      string
}

// partialOf returns nil if the collector took all and said nothing.
func partialOf(resp *coltracepb.ExportTraceServiceResponse) *partialError {
	p := resp.GetPartialSuccess()
	if p.GetRejectedSpans() <= 0 && p.GetErrorMessage() == "" {
		return nil
	}
	return &partialError{rejected: max(p.GetRejectedSpans(), 0), msg: p.GetErrorMessage()}
}

func (p *partialError) Error() string {
	if p.rejected == 0 {
		return "collector warns: " + p.msg
	}
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
	var h *httpError
	if errors.As(err, &h) {
		return h.outcome(err)
	}
	if n, ok := rejectedSpans(err); ok {
		n = max(0, min(n, spans))
		if n == 0 {
			return outcome{fate: fateSent, err: err}
		}
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
	case tellsTooLarge(err.Error()):
		return outcome{fate: fateTooLarge, reason: lostExhausted, err: err}
	case isNetwork(err):
		return outcome{fate: fateUnreachable, err: err}
	}
	return outcome{fate: fateFailed, reason: lostFailed, err: err}
}

func classifyStatus(st *status.Status, err error) outcome {
	if tellsTooLarge(st.Message()) {
		return outcome{fate: fateTooLarge, reason: lostExhausted, err: err}
	}
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
		return outcome{fate: fateExhausted, reason: lostExhausted, err: err}
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented:
		return outcome{fate: fateFailed, reason: lostRefused, barred: true, err: err}
	}
	return outcome{fate: fateFailed, reason: lostRefused, err: err}
}

// largeTexts are what servers say of a message that is too large for them, in
// lower case. The status alone does not tell: grpc's servers answer
// ResourceExhausted, as a memory limiter does, Rust's answer OutOfRange, and
// gateways hand on the words of those behind them with a status of their own.
var largeTexts = []string{
	"larger than max",                                // grpc-go, C++, Python, Node; our own client
	"exceeds maximum size",                           // Java
	"exceeds the maximum",                            // .NET
	"message length too large",                       // Rust
	"body too large",                                 // Go's net/http
	"413 (request entity too large)",                 // grpc-go, of a proxy that speaks HTTP
	"413 request entity too large",                   // HTTP
	"413 payload too large", "413 content too large", // RFC 7231, RFC 9110
}

// tellsTooLarge reports whether an answer is about the size of the message.
func tellsTooLarge(text string) bool {
	text = strings.ToLower(text[:min(len(text), maxTold)])
	return slices.ContainsFunc(largeTexts, func(s string) bool { return strings.Contains(text, s) })
}

// maxTold bounds what is read and told of an answer, in bytes: it is the
// collector's, and may be anything.
const maxTold = 512

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
