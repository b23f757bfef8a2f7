// SPDX-License-Identifier: Apache-2.0

package tracer

import (
	"log/slog"
	"strings"
	"testing"
)

// TestNewRefuses: each bad value is refused at the start, by name and value.
func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   map[string]string
		opts  []Option
		wants []string
	}{
		{"a nil option", nil, []Option{nil}, []string{"nil Option"}},
		{"a nil logger", nil, []Option{WithLogger(nil)}, []string{"WithLogger"}},
		{"a nil report func", nil, []Option{WithReport(nil)}, []string{"WithReport"}},
		{"a nil exporter func", nil, []Option{WithExporter(nil)}, []string{"WithExporter"}},
		{"a nil resource", nil, []Option{WithResource(nil)}, []string{"WithResource"}},
		{"two at once", nil, []Option{WithLogger(nil), WithReport(nil)}, []string{"WithLogger", "WithReport"}},
		{
			"a UI that is no URL", map[string]string{envUIURL: "jaeger:16686"}, nil,
			[]string{envUIURL, "jaeger:16686", "want http://host"},
		},
		{"a UI without a host", map[string]string{envUIURL: "http://"}, nil, []string{envUIURL, `"http://"`}},
		{"a UI of another scheme", map[string]string{envUIURL: "ftp://x"}, nil, []string{envUIURL, "ftp://x"}},
		{
			"a UI that cannot be parsed", map[string]string{envUIURL: "http://[::1"}, nil,
			[]string{envUIURL, "http://[::1"},
		},
		{
			"a UI with a password", map[string]string{envUIURL: "https://ann:pass/w0rd@jaeger"}, nil,
			[]string{envUIURL, "https://xxxxx@jaeger"},
		},
		{
			"a UI with a password in a URL", map[string]string{envUIURL: "https://ann:pass-w0rd@jaeger"}, nil,
			[]string{envUIURL, "https://xxxxx@jaeger", "a password"},
		},
		{
			"a UI with a query", map[string]string{envUIURL: "https://jaeger/?pass=w0rd"}, nil,
			[]string{envUIURL, "https://jaeger/?xxxxx", "a query"},
		},
		{
			"a malformed endpoint", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "ht tp://x"}, nil,
			[]string{"OTEL_EXPORTER_OTLP_ENDPOINT", "ht tp://x"},
		},
		{
			"a certificate that is not there",
			map[string]string{"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"}, nil,
			[]string{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem"},
		},
		{
			"a timeout in words", map[string]string{"OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, nil,
			[]string{"OTEL_EXPORTER_OTLP_TIMEOUT", "soon"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for k, v := range tt.env {
				t.Setenv(k, v)
			}
			tr, err := New(t.Context(), append(tt.opts, WithLogger(slog.New(slog.DiscardHandler)))...)
			if err == nil {
				tr.Close()
				t.Fatal("no error")
			}
			if !strings.HasPrefix(err.Error(), "tracer: ") {
				t.Errorf("the error does not say whose it is: %v", err)
			}
			if strings.Contains(err.Error(), "w0rd") {
				t.Errorf("the error tells a password: %v", err)
			}
			for _, want := range tt.wants {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
		})
	}
}

// TestJaegerURL opens the path to the culprit, or the root if there is none.
func TestJaegerURL(t *testing.T) {
	t.Setenv(envUIURL, "http://localhost:16686/")
	tr, k := newTestTracer(t)
	s, _ := tr.BeginShutdown(Call{Graceful: true})
	s.Returned()
	r := s.Finish(t.Context())
	root := theSpan(t, k.spans, spanRoot).SpanContext()
	want := "http://localhost:16686/trace/" + root.TraceID().String() + "?uiFind=" + root.SpanID().String()
	if r.JaegerURL != want {
		t.Errorf("the link is %s, want %s", r.JaegerURL, want)
	}
}
