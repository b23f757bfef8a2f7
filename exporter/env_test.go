// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/internal/address"
)

func TestBadValuesAreReportedByName(t *testing.T) {
	dir := t.TempDir()
	cert, key := writeCert(t, dir, "client")
	_, otherKey := writeCert(t, dir, "other")
	missing, empty := filepath.Join(dir, "missing.pem"), filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const (
		ep      = "OTEL_EXPORTER_OTLP_ENDPOINT"
		tracEP  = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
		ca      = "OTEL_EXPORTER_OTLP_CERTIFICATE"
		clCert  = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
		clKey   = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
		headers = "OTEL_EXPORTER_OTLP_HEADERS"
	)
	for _, tt := range []struct {
		env  []string // the first pair is the bad one, and is in the error
		want string
	}{
		{[]string{ep, "::bad"}, "not a URL"},
		{[]string{ep, "http://"}, "no host"},
		{[]string{ep, "https:///v1/traces"}, "no host"},
		{[]string{ep, "ftp://x"}, `scheme "ftp" not supported`},
		{[]string{ep, "localhost:otlp"}, `scheme "localhost" not supported`},
		{[]string{ep, "10.0.0.1:4317"}, "write http://10.0.0.1:4317"},
		{[]string{ep, "http://collector:99999"}, "between 1 and 65535"},
		{[]string{ep, "http://collector:"}, "between 1 and 65535"},
		{[]string{ep, "localhost:0"}, "between 1 and 65535"},
		{[]string{ep, "//collector:4317"}, "no scheme"},
		{[]string{ep, "/var/run/otlp.sock"}, "no scheme"},
		{[]string{ep, "unix://"}, "nothing after the scheme"},
		{[]string{ep, "http://%zz"}, "not a URL"},
		{[]string{tracEP, "::bad", ep, "http://good:4317"}, "not a URL"},
		{[]string{ep, "::bad", tracEP, "http://good:4317"}, "not a URL"},
		{[]string{ca, missing}, "no such file"},
		{[]string{ca, empty}, "no certificate in PEM form"},
		{[]string{ca, dir}, "is a directory"},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", missing, ca, cert}, "no such file"},
		{[]string{clKey, key}, "set " + clCert},
		{[]string{clCert, cert}, "set " + clKey},
		{[]string{clCert, cert, clKey, key, "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", otherKey}, "does not match"},
		{[]string{clCert, missing, clKey, key}, "no such file"},
		{[]string{clKey, missing, clCert, cert}, "no such file"},
		{[]string{clCert, cert, clKey, otherKey}, "does not match"},
		{[]string{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s"}, "milliseconds"},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1"}, "milliseconds"},
		{[]string{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"}, "want gzip or none"},
		{[]string{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
			"want grpc, http/protobuf or http/json"},
		{[]string{"OTEL_EXPORTER_OTLP_PROTOCOL", "udp"}, "not a protocol"},
		{[]string{"OTEL_TRACES_EXPORTER", "zipkin"}, "want otlp or none"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES", "a=1,b"}, `member "b"`},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES", "a=%zz"}, "percent-encoding"},
		{[]string{"OTEL_RESOURCE_ATTRIBUTES", "=1"}, "want key=value"},
		{[]string{headers, "secret"}, "member 1 has no '='"},
		{[]string{headers, "a=secret,"}, "member 2 has no '='"},
		{[]string{headers, "a b=secret"}, "member 1: not a header name"},
		{[]string{headers, "a=secret%zz"}, `header "a": bad percent-encoding`},
		{[]string{headers, "a=secret%0d"}, ""},
		{[]string{headers, "a=secr%0det"}, `header "a": not printable`},
	} {
		t.Run(strings.Join(tt.env[:2], "="), func(t *testing.T) {
			clean(t, tt.env...)
			e, err := New(t.Context(), Config{Logger: slog.New(slog.DiscardHandler)})
			if e != nil {
				defer e.Close()
			}
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			msg := err.Error()
			if !strings.Contains(msg, tt.env[0]) || !strings.Contains(msg, tt.want) {
				t.Errorf("error %q does not name %s or say %q", msg, tt.env[0], tt.want)
			}
			if strings.Contains(tt.env[0], "HEADERS") {
				if strings.Contains(msg, "secr") {
					t.Errorf("error %q shows the header's value", msg)
				}
			} else if !strings.Contains(msg, tt.env[1]) {
				t.Errorf("error %q does not show the value %q", msg, tt.env[1])
			}
		})
	}
}

func TestAllBadValuesAreReportedTogether(t *testing.T) {
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "::bad", "OTEL_EXPORTER_OTLP_TIMEOUT", "soon",
		"OTEL_RESOURCE_ATTRIBUTES", "pod")
	_, err := New(t.Context(), Config{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, name := range []string{"_ENDPOINT=", "_TIMEOUT=", "_ATTRIBUTES="} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("error %q does not have %s", err, name)
		}
	}
}

func TestCredentialsInAnEndpointAreNotShown(t *testing.T) {
	for _, v := range []string{
		"ftp://user:secret@host", "http://user:secret@:x", "user:secret@10.0.0.1:1", "http://a:secret@",
	} {
		clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", v)
		if _, err := New(t.Context(), Config{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v", v, err)
		}
	}
}

// TestHeaders follows the format of W3C baggage; the values are percent-encoded,
// names have no case, and of two with one name the last counts.
func TestHeaders(t *testing.T) {
	for _, tt := range []struct {
		v    string
		want map[string]string
	}{
		{"a=b=c==", map[string]string{"a": "b=c=="}},
		{" a = b c , d = e ", map[string]string{"a": "b c", "d": "e"}},
		{"a=b%20c%2Cd%3De", map[string]string{"a": "b c,d=e"}},
		{"a=b+c", map[string]string{"a": "b+c"}},
		{"a=1,b=2,a=3", map[string]string{"a": "3", "b": "2"}},
		{"X-A=1,x-a=2", map[string]string{"x-a": "2"}},
		{"a=", map[string]string{"a": ""}},
		{"a=b;p=q", map[string]string{"a": "b;p=q"}}, // no metadata, says the specification
	} {
		got, err := parseHeaders("HEADERS", tt.v)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", tt.v, err, diff)
		}
	}
	clean(t, "OTEL_EXPORTER_OTLP_HEADERS", "a=1,b=2", "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=3")
	set, err := readSettings()
	if diff := cmp.Diff(map[string]string{"b": "3"}, set.headers); err != nil || diff != "" {
		t.Errorf("those for traces do not replace the others: %v (-want +got):\n%s", err, diff)
	}
}

func TestWhereSpansGoByTheEnvironment(t *testing.T) {
	cert, _ := writeCert(t, t.TempDir(), "ca")
	const (
		ep       = "OTEL_EXPORTER_OTLP_ENDPOINT"
		insecure = "OTEL_EXPORTER_OTLP_INSECURE"
		ca       = "OTEL_EXPORTER_OTLP_CERTIFICATE"
	)
	for _, tt := range []struct {
		name   string
		env    []string
		target string
		tls    bool
		warns  int
	}{
		{"nothing set", nil, "localhost:4317", false, 0},
		{"certificate alone", []string{ca, cert}, "localhost:4317", true, 0},
		{"not insecure", []string{insecure, "false"}, "localhost:4317", true, 0},
		{"http", []string{ep, "http://c:4317"}, "c:4317", false, 0},
		{"https", []string{ep, "https://c:4317"}, "c:4317", true, 0},
		{"bare", []string{ep, "c:4317"}, "c:4317", true, 1},
		{"bare insecure", []string{ep, "c:4317", insecure, "true"}, "c:4317", false, 0},
		{"bare, not insecure", []string{ep, "c:4317", insecure, "false"}, "c:4317", true, 0},
		{"bare with certificate", []string{ep, "c:4317", ca, cert}, "c:4317", true, 0},
		{"bare name", []string{ep, "api.example.org"}, "api.example.org", true, 1},
		{"https, no port", []string{ep, "https://c"}, "c", true, 0},
		{"http, no port", []string{ep, "http://c"}, "c", false, 1},
		{"http, not insecure", []string{ep, "http://c:1", insecure, "false"}, "c:1", false, 1},
		{"http, insecure", []string{ep, "http://c:1", insecure, "true"}, "c:1", false, 0},
		{"https, insecure", []string{ep, "https://c:1", insecure, "true"}, "c:1", true, 1},
		{"HTTPS, insecure", []string{ep, "HTTPS://c:1", insecure, "true"}, "c:1", true, 1},
		{"https, not insecure", []string{ep, "https://c:1", insecure, "false"}, "c:1", true, 0},
		{"unix, not insecure", []string{ep, "unix:///run/o.sock", insecure, "false"}, "unix:///run/o.sock", true, 0},
		{"http with certificate", []string{ep, "http://c:1", ca, cert}, "c:1", true, 1},
		{"IPv6", []string{ep, "http://[::1]:4317"}, "[::1]:4317", false, 0},
		{"dns", []string{ep, "dns:///c:4317"}, "dns:///c:4317", true, 1},
		{"unix", []string{ep, "unix:///run/o.sock"}, "unix:///run/o.sock", false, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, tt.env...)
			set, err := readSettings()
			if err != nil {
				t.Fatal(err)
			}
			if set.target != tt.target || (set.tls != nil) != tt.tls || len(set.warnings) != tt.warns {
				t.Errorf("target %q, tls %t, warnings %q; want %q, %t, %d of them",
					set.target, set.tls != nil, set.warnings, tt.target, tt.tls, tt.warns)
			}
		})
	}
}

func TestNotEnabled(t *testing.T) {
	for _, env := range [][]string{
		{"OTEL_SDK_DISABLED", "True"},
		{"OTEL_TRACES_EXPORTER", "none"},
		{"OTEL_SDK_DISABLED", "true", "OTEL_EXPORTER_OTLP_ENDPOINT", "::bad",
			"OTEL_RESOURCE_ATTRIBUTES", "bad"},
	} {
		t.Run(strings.Join(env, "="), func(t *testing.T) {
			clean(t, env...)
			var l logs
			e := mustNew(t, Config{
				Logger: l.logger(),
				Factory: func(context.Context) (sdktrace.SpanExporter, error) {
					t.Error("the factory was called")
					return nil, errors.New("no")
				},
			})
			s := e.Open()
			s.Emit(span(1, "a"))
			wantResult(t, s.Flush(t.Context()), 0, nil)
			if e.Enabled() || l.String() != "" || e.Endpoint() != "" {
				t.Errorf("enabled %t, endpoint %q, log:\n%s", e.Enabled(), e.Endpoint(), l.String())
			}
		})
	}
}

func TestServiceName(t *testing.T) {
	res := resource.NewSchemaless(attribute.String("service.name", "code"))
	for _, tt := range []struct {
		name string
		env  []string
		res  *resource.Resource
		want string
	}{
		{"none", nil, nil, defaultServiceName()},
		{"attributes", []string{"OTEL_RESOURCE_ATTRIBUTES", "service.name=attr"}, nil, "attr"},
		{"variable", []string{"OTEL_SERVICE_NAME", "env",
			"OTEL_RESOURCE_ATTRIBUTES", "service.name=attr"}, nil, "env"},
		{"code", []string{"OTEL_SERVICE_NAME", "env"}, res, "code"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, tt.env...)
			var l logs
			e := mustNew(t, Config{Logger: l.logger(), Resource: tt.res, Factory: (&fake{}).factory})
			if e.ServiceName() != tt.want {
				t.Errorf("service name %q, want %q", e.ServiceName(), tt.want)
			}
			warned := l.count("set OTEL_SERVICE_NAME") == 1
			if warned != (tt.name == "none") {
				t.Errorf("log:\n%s", l.String())
			}
		})
	}
}

func TestNotABooleanIsSaid(t *testing.T) {
	clean(t, "OTEL_SDK_DISABLED", "1", "OTEL_EXPORTER_OTLP_INSECURE", "yes",
		"OTEL_EXPORTER_OTLP_ENDPOINT", "https://"+address.TCP(t), "OTEL_SERVICE_NAME", "s")
	var l logs
	e := mustNew(t, Config{Logger: l.logger()})
	<-e.probed
	if l.count("not a boolean") != 2 || !e.Enabled() {
		t.Errorf("enabled %t, log:\n%s", e.Enabled(), l.String())
	}
}
