// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/gracetrace/gracetrace/internal/legible"
)

const (
	maxAnswer      = 64 << 10 // bytes of a body, and of headers
	maxAnswerShown = 200      // bytes of them in an error
	maxRetryAfter  = time.Hour
	statusNotHTTP  = -1 // of an httpError: who answered does not speak HTTP/1.1
)

// httpError is an answer that does not say that the collector has the spans, or
// that there was none.
type httpError struct {
	status     int  // 0: no answer
	otlp       bool // an answer in the words of the protocol
	retryAfter time.Duration
	text       string
	err        error // of the connection
}

func (h *httpError) Error() string {
	if h.err == nil {
		return h.text
	}
	if h.text == "" {
		return h.err.Error()
	}
	return h.err.Error() + " (" + h.text + ")"
}

func (h *httpError) Unwrap() error { return h.err }

// outcome follows the OTLP specification, OTLP/HTTP Response: 429, 502, 503 and
// 504 are retryable, all other errors are not. An answer of 2xx is here when it
// is none of OTLP's.
func (h *httpError) outcome(err error) outcome {
	switch h.status {
	case http.StatusTooManyRequests:
		return outcome{fate: fateThrottled, retryAfter: h.retryAfter, err: err}
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return outcome{fate: fateUnreachable, retryAfter: h.retryAfter, err: err}
	case http.StatusRequestEntityTooLarge:
		return outcome{fate: fateTooLarge, reason: lostExhausted, err: err}
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError:
		return outcome{fate: fateFailed, reason: lostRefused, err: err}
	}
	return outcome{fate: fateFailed, reason: lostRefused, barred: true, err: err}
}

// readAnswer returns nil when the collector has taken all. A body that ends early
// leaves open what was rejected: the batch is sent again, the copies are the same.
func readAnswer(resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch taken := resp.StatusCode/100 == 2; {
	case !taken:
		return refusal(resp, kind, body)
	case err != nil && resp.Request.Context().Err() != nil:
		return fmt.Errorf("%s, then nothing: %w", statusText(resp), resp.Request.Context().Err())
	case err != nil:
		return &httpError{err: fmt.Errorf("%s, cut short: %w", statusText(resp), err)}
	case len(body) > maxAnswer:
		return &httpError{status: resp.StatusCode, text: statusText(resp) + " with more than 64 KiB"}
	case len(body) == 0:
		return nil
	}
	return readSuccess(resp, kind, body)
}

// readSuccess tells a collector from a web server that says 200 to everything.
func readSuccess(resp *http.Response, kind string, body []byte) error {
	var msg coltracepb.ExportTraceServiceResponse
	err := errors.New("with " + shownText(cmp.Or(resp.Header.Get("Content-Type"), "no Content-Type")))
	switch kind {
	case typeProtobuf:
		err = malformed(proto.Unmarshal(body, &msg))
	case typeJSON:
		err = malformed(protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, &msg))
	}
	if err != nil {
		return &httpError{status: resp.StatusCode, text: fmt.Sprintf("%s, but not an OTLP answer: %s, %s",
			statusText(resp), err, excerpt(body))}
	}
	if p := partialOf(&msg); p != nil {
		return p
	}
	return nil
}

// malformed leaves out what a parser quotes of a body: the excerpt says more.
func malformed(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("malformed")
}

// refusal is the error of any status but 2xx.
func refusal(resp *http.Response, kind string, body []byte) *httpError {
	h := &httpError{
		status: resp.StatusCode, text: statusText(resp), otlp: kind == typeProtobuf || kind == typeJSON,
	}
	if resp.StatusCode/100 == 3 {
		h.text += " to " + shownText(redact(resp.Header.Get("Location"))) +
			": redirects are not followed, set the endpoint to where spans are to go"
		return h
	}
	h.retryAfter = parseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
	if msg := statusMessage(kind, body); msg != "" {
		h.text += ": " + msg
	}
	return h
}

// statusMessage is the message of a google.rpc.Status, or the beginning of a text
// or a page.
func statusMessage(kind string, body []byte) string {
	switch {
	case kind == typeProtobuf:
		st := status.New(codes.Unknown, "").Proto()
		if proto.Unmarshal(body, st) == nil && st.GetMessage() != "" {
			return shownText(st.GetMessage())
		}
	case kind == typeJSON:
		var st struct {
			Message string `json:"message"`
		}
		if json.Unmarshal(body, &st) == nil && st.Message != "" {
			return shownText(st.Message)
		}
		return excerpt(body)
	case kind == "", strings.HasPrefix(kind, "text/"):
		return excerpt(body)
	}
	return ""
}

// excerpt is the beginning of a body whose blanks are of no interest.
func excerpt(body []byte) string {
	text := hide(string(body)) // before it is cut: half a token tells half of it
	text = strings.Join(strings.Fields(text[:min(len(text), 4*maxAnswerShown)]), " ")
	if text == "" {
		return ""
	}
	return shownText(text)
}

func shownText(s string) string { return strconv.Quote(legible.Text(hide(s), maxAnswerShown)) }

// statusText does not show the peer's own words for a status.
func statusText(resp *http.Response) string {
	return strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode))
}

// parseRetryAfter reads seconds or a date, and takes anything else for nothing.
// (RFC 9110 section 10.2.3.)
func parseRetryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if s, err := strconv.ParseUint(v, 10, 64); err == nil {
		d = time.Duration(min(s, uint64(maxRetryAfter/time.Second))) * time.Second
	} else if t, err := http.ParseTime(v); err == nil {
		d = t.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}
