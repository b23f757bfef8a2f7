// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
)

const (
	defaultHTTPEndpoint = "http://localhost:4318"

	schemeHTTP  = "http"
	schemeHTTPS = "https"

	grpcPort = "4317" // where collectors listen, unless they are told otherwise
	httpPort = "4318"

	// tracesPath is where spans go below the endpoint for all signals.
	tracesPath = "v1/traces"
)

// parseHTTPEndpoint takes the URL of OTEL_EXPORTER_OTLP_TRACES_ENDPOINT as it
// is, and as the base of v1/traces that of OTEL_EXPORTER_OTLP_ENDPOINT.
// (OpenTelemetry specification, OTLP Exporter Configuration, Endpoint URLs for
// OTLP/HTTP.) Its user and password become Basic authentication.
func parseHTTPEndpoint(name, v string) (endpoint, error) {
	shown := redact(v)
	ep := endpoint{shown: shown}
	u, err := url.Parse(v)
	if err != nil || u.Opaque != "" || u.Scheme == "" {
		if _, _, e := net.SplitHostPort(v); e == nil && !strings.HasPrefix(v, ":") {
			return ep, bad(name, shown, "not a URL, write http://%s or https://%s", shown, shown)
		}
		return ep, bad(name, shown, "not a URL, want http://HOST:PORT or https://HOST:PORT")
	}
	scheme := strings.ToLower(u.Scheme)
	switch {
	case scheme != schemeHTTP && scheme != schemeHTTPS:
		return ep, bad(name, shown, "scheme %q not supported over HTTP, want http or https", u.Scheme)
	case u.Hostname() == "":
		return ep, bad(name, shown, "no host, want %s://HOST:PORT", scheme)
	}
	if err := checkPort(name, shown, u.Host, u.Port()); err != nil {
		return ep, err
	}
	if name == prefixAll+"ENDPOINT" {
		appendPath(u, tracesPath)
	} else if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment, u.RawFragment = "", ""
	ep.url, ep.shown, ep.plain = u, redact(u.String()), scheme == schemeHTTP
	return ep, nil
}

// appendPath leaves what is there as it is: a path need not be clean.
func appendPath(u *url.URL, path string) {
	if !strings.HasSuffix(u.Path, "/") {
		path = "/" + path
	}
	u.Path += path
	if u.RawPath != "" {
		u.RawPath += path
	}
}

// secureHTTP follows the scheme and nothing else. (OTLP Exporter Configuration:
// INSECURE only applies to OTLP/gRPC, OTLP/HTTP always uses the scheme.)
func (set *settings) secureHTTP(ep endpoint, conf *tls.Config) *tls.Config {
	name, insecure := signal("INSECURE")
	if insecure != "" && isTrue(name, insecure, nil) != ep.plain {
		set.note(name + "=" + insecure + " does not count over HTTP, the scheme of " + ep.shown + " does")
	}
	if ep.plain {
		if conf != nil {
			set.note("a certificate is set, but " + ep.shown + " says plain text")
		}
		return nil
	}
	if conf == nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	conf.NextProtos = []string{"http/1.1"}
	return conf
}

// doubtHTTP says what is allowed and most likely not meant.
func (set *settings) doubtHTTP(ep endpoint) {
	name, v := signal("ENDPOINT")
	switch {
	case ep.url.Port() == grpcPort:
		set.note("port " + grpcPort + " of " + ep.shown + " is gRPC's as a rule, OTLP over HTTP has " +
			httpPort + ", or set " + prefixAll + "PROTOCOL=grpc")
	case name == prefixAll+"ENDPOINT" && strings.HasSuffix(strings.TrimRight(v, "/"), "/"+tracesPath):
		set.note(name + " is for all signals, so spans go to " + ep.shown)
	case name == prefixTraces+"ENDPOINT" && ep.url.Path == "/":
		set.note(name + " is taken as it is: spans go to " + ep.shown + ", most collectors want /" + tracesPath)
	}
}

// doubtGRPC is the same for gRPC.
func (set *settings) doubtGRPC(ep endpoint) {
	if _, port, err := net.SplitHostPort(ep.target); err == nil && port == httpPort {
		set.note("port " + httpPort + " of " + ep.shown + " is HTTP's as a rule, OTLP over gRPC has " +
			grpcPort + ", or set " + prefixAll + "PROTOCOL=" + string(protocolProtobuf))
	}
}

// checkHTTPHeaders refuses what gRPC alone could send.
func checkHTTPHeaders(name string, headers map[string]string) error {
	for key, value := range headers {
		if !printable(value) {
			return fmt.Errorf("%s: header %q: not printable ASCII (value not shown)", name, key)
		}
	}
	return nil
}
