// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/internal/selfsigned"
)

// certified makes a certificate that is its own authority.
func certified(t *testing.T, dir, base string) (cert, key string) {
	t.Helper()
	cert, key, err := selfsigned.Files(dir, base)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// secured is a collector's option to speak TLS, and to want a client's certificate
// unless client is empty.
func secured(t *testing.T, cert, key, client string) grpc.ServerOption {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if client != "" {
		text, err := os.ReadFile(client)
		if err != nil {
			t.Fatal(err)
		}
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		conf.ClientCAs.AppendCertsFromPEM(text)
	}
	return grpc.Creds(credentials.NewTLS(conf))
}

// tlsFaults are of certificates and of who speaks TLS at all.
var tlsFaults = []fault{
	{
		name: "TLS to a collector without", lost: all, reason: "collector unreachable", said: "handshake",
		arrange: func(t *testing.T, r *faultRun) { t.Helper(); r.to("https://" + newSink(t, nil).addr) },
	},
	{
		name: "plain text to one with TLS", lost: all, reason: "collector unreachable", said: "server preface",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			cert, key := certified(t, t.TempDir(), "collector")
			r.to("http://" + newSink(t, nil, secured(t, cert, key, "")).addr)
		},
	},
	{
		name: "unknown authority", lost: all, reason: "collector unreachable", said: "unknown authority",
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			cert, key := certified(t, t.TempDir(), "collector")
			r.to("https://" + newSink(t, nil, secured(t, cert, key, "")).addr)
		},
	},
	{
		name: "certificates rotated since the start", ready: true, delivered: all,
		arrange: rotating,
	},
	{
		name: "TLS, 80 ms away", ready: true, delivered: all,
		arrange: func(t *testing.T, r *faultRun) {
			t.Helper()
			cert, key := certified(t, t.TempDir(), "collector")
			r.sink = newSink(t, nil, secured(t, cert, key, ""))
			r.to("https://" + far(t, r.sink.addr, 40*time.Millisecond))
			r.env = append(r.env, "OTEL_EXPORTER_OTLP_CERTIFICATE="+cert)
			r.check = func(t *testing.T) {
				t.Helper()
				cold := r.sink.first("grpc.server.shutdown started").Sub(r.proc.told)
				t.Logf("the first span came %v after the signal", cold)
				if cold > firstEvidence+4*r.late {
					t.Errorf("the first span came after %v, want %v", cold, firstEvidence)
				}
			}
		},
	},
}

// firstEvidence is when a collector knows of the stop at the latest.
const firstEvidence = time.Second

// rotating: the process starts with the certificates that hold then; when it stops
// its authority, its own pair and the collector's are others.
func rotating(t *testing.T, r *faultRun) {
	t.Helper()
	dir := t.TempDir()
	cert, key := certified(t, dir, "collector")
	client, clientKey := certified(t, dir, "client")
	r.sink = newSink(t, nil, secured(t, cert, key, client))
	r.to("https://" + r.sink.addr)
	r.env = append(r.env, "OTEL_EXPORTER_OTLP_CERTIFICATE="+cert,
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE="+client, "OTEL_EXPORTER_OTLP_CLIENT_KEY="+clientKey)
	r.before = func(t *testing.T) {
		t.Helper()
		if ready := r.proc.records("trace export ready"); len(ready) != 1 {
			t.Errorf("the old certificates were not good:\n%s", r.proc.output())
		}
		r.sink.down()
		certified(t, dir, "collector")
		certified(t, dir, "client")
		r.sink.opts = []grpc.ServerOption{secured(t, cert, key, client)}
		r.sink.up(t)
	}
}
