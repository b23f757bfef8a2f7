// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"crypto/tls"
	"sync"
	"testing"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
)

type tlsPair struct{ server, client *tls.Config }

var certificates = sync.OnceValue(func() tlsPair {
	server, client, err := selfsigned.Config()
	if err != nil {
		panic(err)
	}
	client.NextProtos = []string{"h2"}
	return tlsPair{server, client}
})

// serverTLS and clientTLS trust each other.
func serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	return certificates().server.Clone()
}

func clientTLS(t *testing.T) *tls.Config {
	t.Helper()
	return certificates().client.Clone()
}
