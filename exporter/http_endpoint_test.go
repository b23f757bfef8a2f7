// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/gracetrace/gracetrace/internal/address"
)

// One test per sentence of the specification, and of what is warned about.
// (OTLP Exporter Configuration, Endpoint URLs for OTLP/HTTP.)
func TestWhereSpansGoOverHTTP(t *testing.T) {
	cert, _ := writeCert(t, t.TempDir(), "ca")
	const (
		ep       = "OTEL_EXPORTER_OTLP_ENDPOINT"
		tracesEP = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
		insecure = "OTEL_EXPORTER_OTLP_INSECURE"
		ca       = "OTEL_EXPORTER_OTLP_CERTIFICATE"
	)
	for _, tt := range []struct {
		name string
		env  []string
		want string
		warn string
	}{
		{"nothing set", nil, "http://localhost:4318/v1/traces", ""},
		{"for all signals", []string{ep, "http://c:4318"}, "http://c:4318/v1/traces", ""},
		{"with a slash", []string{ep, "http://c:4318/"}, "http://c:4318/v1/traces", ""},
		{"with a path", []string{ep, "https://c/otlp"}, "https://c/otlp/v1/traces", ""},
		{"with a path and a slash", []string{ep, "https://c/otlp/"}, "https://c/otlp/v1/traces", ""},
		{"with an encoded path", []string{ep, "https://c/a%2Fb"}, "https://c/a%2Fb/v1/traces", ""},
		{"with a query", []string{ep, "https://c/otlp?key=secret"}, "https://c/otlp/v1/traces?xxxxx", ""},
		{"for traces", []string{tracesEP, "http://c/in", ep, "http://d"}, "http://c/in", ""},
		{"for traces with a slash", []string{tracesEP, "http://c/v1/traces/"}, "http://c/v1/traces/", ""},
		{"for traces without a path", []string{tracesEP, "http://c:4318"}, "http://c:4318/", "as it is"},
		{"the path twice", []string{ep, "http://c:4318/v1/traces"},
			"http://c:4318/v1/traces/v1/traces", "for all signals"},
		{"IPv6", []string{ep, "http://[::1]:4318"}, "http://[::1]:4318/v1/traces", ""},
		{"a user", []string{ep, "https://me:secret@c"}, "https://xxxxx@c/v1/traces", ""},
		{"upper case", []string{ep, "HTTPS://c"}, "https://c/v1/traces", ""},
		{"gRPC's port", []string{ep, "http://c:4317"}, "http://c:4317/v1/traces", "gRPC's"},
		{"insecure is of gRPC", []string{ep, "https://c", insecure, "true"}, "https://c/v1/traces",
			"does not count over HTTP"},
		{"not insecure is of gRPC", []string{ep, "http://c", insecure, "false"}, "http://c/v1/traces",
			"does not count over HTTP"},
		{"insecure and http", []string{ep, "http://c", insecure, "true"}, "http://c/v1/traces", ""},
		{"a certificate and http", []string{ep, "http://c", ca, cert}, "http://c/v1/traces", "plain text"},
		{"a certificate and https", []string{ep, "https://c", ca, cert}, "https://c/v1/traces", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, append(tt.env, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")...)
			set, err := readSettings()
			if err != nil {
				t.Fatal(err)
			}
			if set.endpoint != tt.want || (set.tls != nil) != strings.HasPrefix(tt.want, "https") {
				t.Errorf("endpoint %q, tls %t, want %q", set.endpoint, set.tls != nil, tt.want)
			}
			got := strings.Join(set.warnings, "\n")
			if len(set.warnings) > 1 || (tt.warn == "") != (got == "") || !strings.Contains(got, tt.warn) {
				t.Errorf("warnings %q, want %q", got, tt.warn)
			}
			if strings.Contains(got+set.endpoint, "secret") {
				t.Error("the password is shown")
			}
		})
	}
}

func TestHTTPsPortIsDoubtedWithGRPC(t *testing.T) {
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+address.TCP(t), "OTEL_SERVICE_NAME", "s")
	for port, want := range map[string]int{"4318": 1, "4317": 0} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:"+port)
		set, err := readSettings()
		if err != nil || len(set.warnings) != want {
			t.Errorf("port %s: warnings %q, want %d, err %v", port, set.warnings, want, err)
		}
	}
}

func TestBadEndpointsOverHTTP(t *testing.T) {
	for _, tt := range []struct{ v, want string }{
		{"localhost:4318", "write http://localhost:4318"},
		{"10.0.0.1:4318", "write http://10.0.0.1:4318"},
		{"collector", "not a URL"},
		{"//collector:4318", "not a URL"},
		{"unix:///run/otlp.sock", `scheme "unix" not supported over HTTP`},
		{"dns:///c:4318", `scheme "dns" not supported over HTTP`},
		{"ftp://c", `scheme "ftp" not supported over HTTP`},
		{"http://", "no host"},
		{"http://:4318", "no host"},
		{"http://c:", "between 1 and 65535"},
		{"http://c:99999", "between 1 and 65535"},
		{"http://me:secret@c:0", "between 1 and 65535"},
		{"https://%zz", "not a URL"},
	} {
		for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
			t.Run(name+"="+tt.v, func(t *testing.T) {
				clean(t, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", name, tt.v)
				_, err := New(t.Context(), Config{Logger: slog.New(slog.DiscardHandler)})
				if err == nil {
					t.Fatal("no error")
				}
				msg := err.Error()
				if !strings.Contains(msg, name+"=") || !strings.Contains(msg, tt.want) ||
					strings.Contains(msg, "secret") {
					t.Errorf("error %q, want %q", msg, tt.want)
				}
			})
		}
	}
}

func TestBinaryHeadersAreRefusedOverHTTP(t *testing.T) {
	clean(t, "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf",
		"OTEL_EXPORTER_OTLP_HEADERS", "trace-bin=%00secret")
	_, err := readSettings()
	if err == nil || !strings.Contains(err.Error(), `header "trace-bin"`) ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	if _, err := readSettings(); err != nil {
		t.Errorf("gRPC can send it: %v", err)
	}
}
