// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"
)

// The metadata by which proxies say whom they speak for.
const (
	forwardedFor  = "x-forwarded-for"         // nginx, Envoy, AWS: addresses, the client's first
	forwardedCert = "x-forwarded-client-cert" // Envoy, Istio: elements of its certificate
	linkerdClient = "l5d-client-id"           // Linkerd: the identity in its certificate
)

// behindProxy is who is behind a proxy, as the metadata of an RPC claims:
// anybody can send it. It is called during a shutdown only.
func behindProxy(ctx context.Context) string {
	for _, key := range []string{forwardedFor, forwardedCert, linkerdClient} {
		for _, v := range metadata.ValueFromIncomingContext(ctx, key) {
			if v == "" {
				continue
			}
			if key == forwardedCert {
				return certIdentity(v)
			}
			return v
		}
	}
	return ""
}

// maxElements bounds how much of a forwarded certificate is looked at: its chain
// alone may have kilobytes.
const maxElements = 64

// certIdentity is the client's URI in a forwarded certificate, else all of it.
// Each proxy on the way appends a certificate, so the first one is the client's
// (Envoy, HTTP header manipulation, x-forwarded-client-cert).
func certIdentity(cert string) string {
	rest, quoted := cert, false
	for range maxElements {
		end := strings.IndexFunc(rest, func(r rune) bool {
			if r == '"' {
				quoted = !quoted
			}
			return !quoted && (r == ';' || r == ',')
		})
		element := rest
		if end >= 0 {
			element = rest[:end]
		}
		if key, value, _ := strings.Cut(element, "="); strings.EqualFold(key, "URI") && value != "" {
			return strings.Trim(value, `"`)
		}
		if end < 0 || rest[end] == ',' {
			break
		}
		rest = rest[end+1:]
	}
	return cert
}
