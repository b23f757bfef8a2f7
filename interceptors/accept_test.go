// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"crypto/tls"
	"net"
	"testing"

	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/tracer"
)

func accept(t *testing.T, lis net.Listener) net.Conn {
	t.Helper()
	c, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// shakeHands returns the connection that grpc uses over TLS.
func shakeHands(t *testing.T, tr *tracer.Tracer, lis *recorder) net.Conn {
	t.Helper()
	c := tls.Client(lis.dial(t), clientTLS(t))
	shaken := make(chan error, 1)
	go func() { shaken <- c.Handshake() }()
	creds := interceptors.Credentials(tr, credentials.NewTLS(serverTLS(t)))
	made, _, err := creds.ServerHandshake(accept(t, interceptors.Listener(tr, lis)))
	if err != nil {
		t.Fatal(err)
	}
	if err := <-shaken; err != nil {
		t.Fatal(err)
	}
	return made
}
