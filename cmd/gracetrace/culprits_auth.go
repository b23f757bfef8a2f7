// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// envJaegerHeaders are headers for Jaeger's query service, in the format of
// OTEL_EXPORTER_OTLP_HEADERS. They are secrets: they are never shown, and not taken
// from the command line, which other users of the machine can see.
const envJaegerHeaders = "GRACETRACE_JAEGER_HEADERS"

// readJaegerHeaders reads the variable, and then the file, whose headers count before
// those of the variable.
func readJaegerHeaders(file string) (map[string]string, error) {
	headers := make(map[string]string)
	if v := os.Getenv(envJaegerHeaders); v != "" {
		for i, member := range strings.Split(v, ",") {
			name, value, found := strings.Cut(member, "=")
			value, err := url.PathUnescape(value)
			if !found || err != nil || !addHeader(headers, name, value) {
				return nil, fmt.Errorf("%s: member %d: want name=value, percent-encoded (not shown)",
					envJaegerHeaders, i+1)
			}
		}
	}
	if file == "" {
		return headers, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--header-file: %w", err)
	}
	for i, line := range strings.Split(string(text), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		if !found || !addHeader(headers, name, value) {
			return nil, fmt.Errorf("--header-file %s: line %d: want name: value (not shown)", file, i+1)
		}
	}
	return headers, nil
}

// addHeader returns false if it is none.
func addHeader(headers map[string]string, name, value string) bool {
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
		return false
	}
	headers[name] = value
	return true
}

// readCA returns nil, the system's roots, if there is no file.
func readCA(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca %s: %w", file, errors.New("no certificate in PEM form in it"))
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}, nil
}
