// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReportLinkHeaders: what is in the environment for one Jaeger is not sent wherever
// a link leads.
func TestReportLinkHeaders(t *testing.T) {
	trace, err := os.ReadFile(filepath.Join("..", "..", "tracer", "testdata", "read", "jaeger-v3.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sent []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent = append(sent, r.Header.Get("Authorization"))
		_, _ = w.Write(trace)
	}))
	defer s.Close()
	for _, tt := range []struct {
		name, ui string
		args     []string
		code     int
	}{
		{"unknown", "", []string{s.URL + "/trace/1"}, exitUsage},
		{"elsewhere", "https://jaeger.example/ui", []string{s.URL + "/trace/1?uiFind=2"}, exitUsage},
		{"known", s.URL + "/ui", []string{s.URL + "/trace/1"}, exitOK},
		{"said", "", []string{"--jaeger", s.URL, "1"}, exitOK},
	} {
		t.Setenv(envJaegerHeaders, "authorization=secret")
		t.Setenv(envUI, tt.ui)
		sent = nil
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"report"}, tt.args...), &stdout, &stderr)
		if code != tt.code || strings.Contains(stdout.String()+stderr.String(), "secret") {
			t.Errorf("%s: exit code %d\n%s%s", tt.name, code, stdout.String(), stderr.String())
		}
		if got := strings.Join(sent, ","); (got == "secret") != (tt.code == exitOK) || len(sent) > 1 {
			t.Errorf("%s: sent %q", tt.name, sent)
		}
	}
}
