// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

// TestBehindProxy: the first claim that is there counts.
func TestBehindProxy(t *testing.T) {
	const spiffe = "spiffe://cluster.local/ns/shop/sa/cart"
	for name, tt := range map[string]struct {
		md   metadata.MD
		want string
	}{
		"nobody says anything": {metadata.Pairs("user-agent", "grpc-go/1.85.0"), ""},
		"an address":           {metadata.Pairs("x-forwarded-for", "203.0.113.9"), "203.0.113.9"},
		"a chain of them": {
			metadata.Pairs("x-forwarded-for", "203.0.113.9, 10.0.0.4"), "203.0.113.9, 10.0.0.4",
		},
		"an empty one does not count": {
			metadata.Pairs("x-forwarded-for", "", "l5d-client-id", "cart.shop"), "cart.shop",
		},
		"an address before an identity": {
			metadata.Pairs("l5d-client-id", "cart.shop", "x-forwarded-for", "203.0.113.9"), "203.0.113.9",
		},
		"a certificate": {
			metadata.Pairs("x-forwarded-client-cert",
				`By=spiffe://cluster.local/ns/shop/sa/us;Hash=468e;Subject="CN=a;URI=b,c";URI=`+spiffe),
			spiffe,
		},
		"the first of several certificates": {
			metadata.Pairs("x-forwarded-client-cert", "Hash=1,Hash=2;URI="+spiffe),
			"Hash=1,Hash=2;URI=" + spiffe,
		},
		"one that is all quote": {metadata.Pairs("x-forwarded-client-cert", `"`), `"`},
		"one with too many elements": {
			metadata.Pairs("x-forwarded-client-cert", strings.Repeat(";", 1000)),
			strings.Repeat(";", 1000),
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := metadata.NewIncomingContext(context.Background(), tt.md)
			if got := resolve(ctx).Client; got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	if got := resolve(context.Background()).Client; got != "" {
		t.Errorf("without metadata it is %q", got)
	}
}
