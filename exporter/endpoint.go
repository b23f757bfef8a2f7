// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"net"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/resolver"

	"github.com/gracetrace/gracetrace/internal/legible"
)

// defaultEndpoint is used when nothing says where, or how, to connect.
const defaultEndpoint = "http://localhost:4317"

// endpoint is where to connect, as grpc wants it and as people read it.
type endpoint struct {
	target string   // for grpc.NewClient
	url    *url.URL // of OTLP over HTTP
	shown  string   // without credentials
	plain  bool     // no TLS, as far as the endpoint alone decides
	noPort bool     // grpc will use 443
}

// parseEndpoint follows otlptracegrpc v1.47: http, https and unix URLs, bare
// host:port (TLS) and the schemes that grpc resolves. It refuses what
// otlptracegrpc silently replaces by localhost:4317 (a bare 10.0.0.1:4317 is
// not a URL) or hands to grpc to fail with. Older versions drop a bare
// host:port and dns:/// too, so the target is always ours, not theirs.
func parseEndpoint(name, v string) (endpoint, error) {
	shown := redact(v)
	u, err := url.Parse(v)
	if err != nil {
		if _, _, e := net.SplitHostPort(v); e == nil && !strings.HasPrefix(v, ":") {
			return endpoint{}, bad(name, shown, "not a URL, write http://%s or https://%s", shown, shown)
		}
		return endpoint{}, bad(name, shown, "not a URL, want http://HOST:PORT or https://HOST:PORT")
	}
	ep := endpoint{shown: shown}
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme == schemeHTTP || scheme == schemeHTTPS:
		if u.Host == "" {
			return ep, bad(name, shown, "no host, want %s://HOST:PORT", scheme)
		}
		ep.target, ep.plain, ep.noPort = u.Host, scheme == schemeHTTP, u.Port() == ""
		return ep, checkPort(name, shown, u.Host, u.Port())
	case scheme == "":
		ep.target, ep.noPort = v, true
		if u.Host != "" || strings.ContainsAny(v, "/?# ") {
			return ep, bad(name, shown, "no scheme, want http://HOST:PORT or https://HOST:PORT")
		}
		return ep, nil
	case resolver.Get(scheme) != nil:
		ep.target, ep.plain = v, scheme == "unix"
		if u.Opaque == "" && strings.Trim(u.Path, "/") == "" {
			return ep, bad(name, shown, "nothing after the scheme")
		}
		return ep, nil
	case u.Opaque != "" && strings.Trim(u.Opaque, "0123456789") == "":
		ep.target = v
		return ep, checkPort(name, shown, v, u.Opaque)
	default:
		return ep, bad(name, shown, "scheme %q not supported, want http or https", u.Scheme)
	}
}

// checkPort accepts a missing port, for which grpc takes 443.
func checkPort(name, shown, host, port string) error {
	if port == "" && !strings.HasSuffix(host, ":") {
		return nil
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return bad(name, shown, "port %q is not between 1 and 65535", port)
	}
	return nil
}

// redact hides what may be secret of a URL, see [legible.URL].
func redact(v string) string { return legible.URL(v) }
