// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/cmd/gracetrace/internal/culprits"
)

// lockedJaeger answers each search with the trace of a forced stop, with an outcome of
// the test's. It wants a token.
func lockedJaeger(t *testing.T, outcome string) *httptest.Server {
	t.Helper()
	trace, err := os.ReadFile(filepath.Join("..", "..", "tracer", "testdata", "read", "jaeger-v3.json"))
	if err != nil {
		t.Fatal(err)
	}
	trace = bytes.ReplaceAll(trace, []byte(`"forced"`), []byte(`"`+outcome+`"`))
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer a,b":
			http.Error(w, "who are you?", http.StatusUnauthorized)
		case r.URL.Path == "/api/v3/services":
			_, _ = w.Write([]byte(`{"services":["greeter"]}`))
		case r.URL.Query().Get("query.service_name") != "greeter",
			r.URL.Query().Get("query.operation_name") != "grpc.server.shutdown started":
			http.Error(w, `{"error":{"httpCode":404,"message":"No traces found"}}`, http.StatusNotFound)
		default:
			_, _ = w.Write(trace)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// TestCulprits: one shutdown from Jaeger to the exit code.
func TestCulprits(t *testing.T) {
	token := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(token, []byte("\nAuthorization: Bearer a,b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, outcome, flags, env string
		code                      int
		stdout, stderr            []string
	}{
		{"finished", "graceful", "--header-file TOKEN", "", exitOK,
			[]string{"1 shutdown from 2026-", "1 graceful, 0 forced", "conn wait", "?uiFind="}, nil},
		{"progress", "graceful", "--progress", "authorization=Bearer%20a%2Cb", exitOK,
			nil, []string{" %: 1 shutdown in "}},
		{"too slow", "graceful", "--fail-over 1ms", "authorization=Bearer%20a%2Cb", exitOver,
			[]string{"1 of the rest longer than 1.0ms"}, []string{"gracetrace: 1 shutdown over the limit: 0 forced"}},
		{"forced", "forced", "--fail-over 1m", "authorization=Bearer%20a%2Cb", exitOver,
			[]string{"1 forced, 0 killed, 0 of the rest longer than 1m00s"}, []string{"over the limit"}},
		{"in time", "graceful", "--fail-over 1m", "authorization=Bearer%20a%2Cb", exitOK,
			[]string{"None was forced, killed, or took longer than 1m00s."}, nil},
		{"another version", "graceful", "--service-version 2", "authorization=Bearer%20a%2Cb", exitOK,
			[]string{"greeter 2: 0 shutdowns from "}, nil},
		{"no such service", "graceful", "--service greter", "authorization=Bearer%20a%2Cb", exitOK,
			[]string{`Jaeger knows no service "greter": it knows greeter`}, nil},
		{"no such service to judge", "graceful", "--service greter --fail-over 1m",
			"authorization=Bearer%20a%2Cb", exitFailure,
			[]string{`Jaeger knows no service "greter"`}, []string{"nothing to judge: Jaeger knows no"}},
		{"locked out", "graceful", "", "", exitFailure,
			nil, []string{"gracetrace: http://", ": 401 Unauthorized: who are you?"}},
		{"no headers", "graceful", "", "secret", exitFailure,
			nil, []string{"GRACETRACE_JAEGER_HEADERS: member 1: want name=value"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(envJaegerHeaders, tt.env)
			j := lockedJaeger(t, tt.outcome)
			args := strings.Fields("culprits --service greeter --since 2026-01-01T00:00:00Z --jaeger " +
				j.URL + " " + tt.flags)
			for i, arg := range args {
				args[i] = strings.Replace(arg, "TOKEN", token, 1) // which may have spaces
			}
			var stdout, stderr bytes.Buffer
			if code := run(t.Context(), args, &stdout, &stderr); code != tt.code {
				t.Errorf("exit code %d, want %d\n%s%s", code, tt.code, stdout.String(), stderr.String())
			}
			for _, want := range tt.stdout {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("no %q in\n%s", want, stdout.String())
				}
			}
			for _, want := range tt.stderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("no %q in\n%s", want, stderr.String())
				}
			}
			if tt.stderr == nil && stderr.Len() > 0 || strings.Contains(stderr.String(), "secret") {
				t.Errorf("on stderr: %s", stderr.String())
			}
		})
	}
}

func TestCulpritsJSON(t *testing.T) {
	t.Setenv(envJaegerHeaders, "Authorization=Bearer a%2Cb")
	j := lockedJaeger(t, "forced")
	var stdout, stderr bytes.Buffer
	args := strings.Fields("culprits --json --service greeter --since 2020-01-01T00:00:00Z --jaeger " + j.URL)
	if code := run(t.Context(), args, &stdout, &stderr); code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var r culprits.Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || r.Counts.Forced != 1 || len(r.Culprits) != 3 {
		t.Errorf("%v\n%s", err, stdout.String())
	}
}

// TestCulpritsInterrupted: ctrl-C ends a search that hangs.
func TestCulpritsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"culprits", "--service", "greeter", "--jaeger", s.URL}, &stdout, &stderr)
	if code != exitFailure || !strings.Contains(stderr.String(), "ended after 0 shutdowns") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
}

// TestMoment: what --since may be.
func TestMoment(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for in, ago := range map[string]time.Duration{
		"90m": 90 * time.Minute, "2d": 48 * time.Hour, "1.5d": 36 * time.Hour, "1w": 168 * time.Hour,
		"0s": 0, "2026-03-01T11:00:00Z": time.Hour, "2026-03-01T12:00:00.5+01:00": time.Hour - 500*time.Millisecond,
	} {
		var v momentValue
		if err := v.Set(in); err != nil || now.Sub(v.at(now)) != ago {
			t.Errorf("%s: %v before now, want %v, %v", in, now.Sub(v.at(now)), ago, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "1e9d", "Infd", "99999w", "yesterday", "-5m"} {
		var v momentValue
		if v.Set(in) == nil {
			t.Errorf("%q is %v", in, v)
		}
	}
}
