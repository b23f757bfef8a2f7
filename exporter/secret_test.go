// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
)

// secretHeaders is OTEL_EXPORTER_OTLP_HEADERS of somebody who has been given all
// kinds of tokens, and theirs are the texts that nobody may see.
const secretHeaders = "Authorization=Bearer%20tok-4f1e9b7c,x-key-bin=s3cr3t/+key%3D,x-api-key=plain-0815"

var theSecrets = []string{
	"tok-4f1e9b7c", "tok-4f1e", "s3cr3t/+key=", "s3cr3t%2F", "plain-0815", "plain-0", "hunt3r2!",
	base64.StdEncoding.EncodeToString([]byte("s3cr3t/+key=")),
	base64.RawStdEncoding.EncodeToString([]byte("s3cr3t/+key=")),
	base64.StdEncoding.EncodeToString([]byte("ann:hunt3r2!")),
}

// escape is what a hostile collector adds.
const escape = "\x1b]0;owned\a\r\nlevel=INFO msg=fake"

// keptSecret expects nothing of them, and nothing that a terminal obeys.
func keptSecret(t *testing.T, where, text string) {
	t.Helper()
	for _, s := range theSecrets {
		if strings.Contains(text, s) {
			t.Errorf("%s tells %q:\n%s", where, s, text)
		}
	}
	for line := range strings.Lines(text) {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) {
			t.Errorf("%s has control characters: %q", where, line)
		}
		if len(line) > 3*maxError {
			t.Errorf("%s has a line of %d bytes", where, len(line))
		}
	}
}

// echo is all that a request has told about us.
func echo(headers map[string][]string, padding string) string {
	var b strings.Builder
	b.WriteString(padding + "plain-0815")
	for key, values := range headers {
		fmt.Fprintf(&b, " %s: %s%s", key, strings.Join(values, ", "), escape)
	}
	return b.String()
}

// paddings put the end of what is shown of an answer, or looked at, into the
// middle of a token.
var paddings = map[string]string{
	"at once":              "",
	"at 200 bytes":         strings.Repeat("x", maxAnswerShown-8),
	"at 200 of a URL":      strings.Repeat("x", maxAnswerShown-8-len("https://elsewhere/")),
	"at 800 bytes":         strings.Repeat(" ", 4*maxAnswerShown-8),
	"at 1,024 bytes":       strings.Repeat("x", maxError-60),
	"at 1,024 bytes again": strings.Repeat("x", maxError-50),
}

// echoes are collectors that send back what they got, by protocol and way. Each
// returns its endpoint.
var echoes = map[string]func(t *testing.T, padding string) []string{
	"gRPC, refused": func(t *testing.T, padding string) []string {
		t.Helper()
		return echoGRPC(t, func(headers metadata.MD, _ *request) (*response, error) {
			return nil, status.Error(codes.Unauthenticated, echo(headers, padding))
		})
	},
	"gRPC, rejected": func(t *testing.T, padding string) []string {
		t.Helper()
		return echoGRPC(t, func(headers metadata.MD, req *request) (*response, error) {
			if len(req.GetResourceSpans()) == 0 {
				return nil, status.Error(codes.PermissionDenied, echo(headers, padding))
			}
			return &response{PartialSuccess: &coltracepb.ExportTracePartialSuccess{
				RejectedSpans: 1, ErrorMessage: echo(headers, padding),
			}}, nil
		})
	},
	"HTTP, refused": func(t *testing.T, padding string) []string {
		t.Helper()
		return echoHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(echo(r.Header, padding)))
		})
	},
	"HTTP, redirected": func(t *testing.T, padding string) []string {
		t.Helper()
		return echoHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "https://elsewhere/"+strings.ReplaceAll(padding, " ", "")+r.Header.Get("X-Api-Key"))
			w.WriteHeader(http.StatusFound)
		})
	},
	"HTTP, no answer of OTLP's": func(t *testing.T, padding string) []string {
		t.Helper()
		return echoHTTP(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(echo(r.Header, padding)))
		})
	},
}

func echoGRPC(t *testing.T, answer func(metadata.MD, *request) (*response, error)) []string {
	t.Helper()
	c := startCollector(t, "", &collector{
		answer: func(ctx context.Context, req *request) (*response, error) {
			headers, _ := metadata.FromIncomingContext(ctx)
			return answer(headers, req)
		},
	})
	return []string{prefixAll + "ENDPOINT", "http://ann:hunt3r2!@" + c.addr}
}

func echoHTTP(t *testing.T, answer http.HandlerFunc) []string {
	t.Helper()
	c := startHTTP(t, &httpCollector{answer: func(w writer, r *http.Request, _ int) bool {
		answer(w, r)
		return true
	}})
	return []string{
		prefixAll + "ENDPOINT", strings.Replace(c.url, "://", "://ann:hunt3r2!@", 1),
		prefixAll + "PROTOCOL", "http/protobuf",
	}
}

// TestSecretsStay: a collector that answers with our own tokens does not get them
// into our log, nor into what becomes of the spans.
func TestSecretsStay(t *testing.T) {
	for name, start := range echoes {
		for what, padding := range paddings {
			t.Run(name+", "+what, func(t *testing.T) {
				clean(t, start(t, padding)...)
				t.Setenv(prefixAll+"HEADERS", secretHeaders)
				var l logs
				e := mustNew(t, Config{Logger: l.logger()})
				<-e.probed
				s := e.Open()
				s.Emit(span(1, "a"))
				r := s.Flush(t.Context())
				if r.Err == nil {
					t.Fatalf("%+v, want an error", r)
				}
				l.logger().Warn("lost", "err", r.Err)
				slog.New(slog.NewJSONHandler(&l, nil)).Warn("lost", "err", r.Err)
				sent := e.Send(t.Context(), []*tracepb.TracesData{{}}, func(int) {})
				keptSecret(t, "the log", l.String())
				keptSecret(t, "the result", fmt.Sprintf("%v %+v", r.Err, r.Err))
				keptSecret(t, "a recovery", fmt.Sprintf("%v", sent))
				keptSecret(t, "the endpoint", e.Endpoint())
				if padding == "" && !strings.Contains(l.String(), hidden) {
					t.Errorf("nothing came back: this tests less than it says:\n%s", l.String())
				}
			})
		}
	}
}

// TestSecretsStayInFactory: nor does an exporter of the user's that panics or
// cannot be made.
func TestSecretsStayInFactory(t *testing.T) {
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails: %t", fails), func(t *testing.T) { testSecretsStayInFactory(t, fails) })
	}
}

func testSecretsStayInFactory(t *testing.T, fails bool) {
	t.Helper()
	clean(t, prefixAll+"HEADERS", secretHeaders, "OTEL_SERVICE_NAME", "s")
	var l logs
	e := mustNew(t, Config{
		Logger: l.logger(),
		Factory: func(context.Context) (sdktrace.SpanExporter, error) {
			if fails {
				return nil, errors.New("no such tenant: plain-0815" + escape)
			}
			panic("no such tenant: plain-0815" + escape)
		},
	})
	<-e.probed
	s := e.Open()
	s.Emit(span(1, "a"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	r := s.Flush(ctx)
	keptSecret(t, "the log", l.String())
	keptSecret(t, "the result", fmt.Sprint(r.Err))
	keptSecret(t, "a recovery", fmt.Sprint(e.Send(t.Context(), nil, func(int) {})))
	if !strings.Contains(l.String(), hidden) || !strings.Contains(fmt.Sprint(r.Err), hidden) {
		t.Errorf("the panic was not told: %v\n%s", r.Err, l.String())
	}
}

// TestSecretsStayAtTheStart: what is wrong with the configuration is said without
// them.
func TestSecretsStayAtTheStart(t *testing.T) {
	dir := t.TempDir()
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	for _, f := range []string{key, cert} {
		if err := os.WriteFile(f, []byte("-----BEGIN hunt3r2!-----\nplain-0815\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const headers, endpoint = prefixAll + "HEADERS", prefixTraces + "ENDPOINT"
	for _, proto := range []string{"grpc", "http/protobuf", "http/json"} {
		for _, env := range [][]string{
			{headers, "tok-4f1e9b7c"},
			{headers, "plain-0815/+x=="},
			{headers, "Authorization=Bearer%2tok-4f1e9b7c"},
			{headers, "Authorization=plain-0815%00"},
			{headers, "a=b,,plain-0815"},
			{endpoint, "http://ann:hunt3r2!@"},
			{endpoint, "http://ann:hunt3r2!@host:port"},
			{endpoint, "http://ann:hunt3r2!/%zz@host:1"},
			{endpoint, "ann:hunt3r2!@host:4317"},
			{endpoint, "ftp://ann:hunt3r2!@host"},
			{endpoint, "://ann:hunt3r2!@host"},
			{endpoint, "http://ho st/?key=plain-0815"},
			{prefixAll + "CLIENT_KEY", key, prefixAll + "CLIENT_CERTIFICATE", cert},
			{prefixAll + "CERTIFICATE", cert},
		} {
			clean(t, append(env, prefixAll+"PROTOCOL", proto)...)
			e, err := New(t.Context(), Config{Logger: slog.New(slog.DiscardHandler)})
			if err == nil {
				e.Close()
				t.Errorf("%s: %q was taken", proto, env)
			}
			keptSecret(t, fmt.Sprintf("%s, %q", proto, env), strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
		}
	}
}
