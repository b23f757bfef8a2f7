// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// writeCert puts a self-signed certificate for 127.0.0.1, good for both ends,
// and its key into dir.
func writeCert(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	writePEM(t, certFile, "CERTIFICATE", cert)
	writePEM(t, keyFile, "PRIVATE KEY", der)
	return certFile, keyFile
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// serveTLS starts a collector that wants the client to show clientCert.
func serveTLS(t *testing.T, certFile, keyFile, clientCert string) *collector {
	t.Helper()
	conf := tlsFrom(t, certFile, keyFile, clientCert)
	return startCollector(t, "", nil, grpc.Creds(credentials.NewTLS(conf)))
}

func TestTLSByTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	ca, caKey := writeCert(t, dir, "collector")
	client, clientKey := writeCert(t, dir, "client")
	plain, mutual := serveTLS(t, ca, caKey, ""), serveTLS(t, ca, caKey, client)
	for name, env := range map[string][]string{
		"own authority": {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://" + plain.addr,
			"OTEL_EXPORTER_OTLP_CERTIFICATE", ca},
		"for traces": {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://" + plain.addr,
			"OTEL_EXPORTER_OTLP_CERTIFICATE", client,
			"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", ca},
		"client certificate": {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://" + mutual.addr,
			"OTEL_EXPORTER_OTLP_CERTIFICATE", ca,
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client,
			"OTEL_EXPORTER_OTLP_CLIENT_KEY", clientKey},
		"each variable for traces counts alone": {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://" + mutual.addr,
			"OTEL_EXPORTER_OTLP_CERTIFICATE", ca,
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client,
			"OTEL_EXPORTER_OTLP_CLIENT_KEY", caKey,
			"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", clientKey},
		"https beats insecure": {"OTEL_EXPORTER_OTLP_ENDPOINT", "https://" + plain.addr,
			"OTEL_EXPORTER_OTLP_CERTIFICATE", ca, "OTEL_EXPORTER_OTLP_INSECURE", "true"},
		"certificate beats http": {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://" + plain.addr,
			"OTEL_EXPORTER_OTLP_CERTIFICATE", ca},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, env...)
			s := mustNew(t, Config{}).Open()
			s.Emit(span(1, "a"))
			wantResult(t, s.Flush(t.Context()), 1, nil)
		})
	}
}

func TestUnknownAuthorityIsSaid(t *testing.T) {
	ca, key := writeCert(t, t.TempDir(), "collector")
	c := serveTLS(t, ca, key, "")
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "https://"+c.addr)
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "a"))
	r := s.Flush(t.Context())
	wantResult(t, r, 0, map[string]int{lostUnreachable: 1})
	if !strings.Contains(fmt.Sprint(r.Err), "unknown authority") {
		t.Errorf("error %v does not name the unknown authority", r.Err)
	}
}

func TestCertificatesAreReadAgainAtTheSignal(t *testing.T) {
	dir := t.TempDir()
	oldCA, _ := writeCert(t, dir, "collector")
	file := filepath.Join(dir, "ca.pem")
	text, err := os.ReadFile(oldCA)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	newCA, newKey := writeCert(t, dir, "rotated")
	c := serveTLS(t, newCA, newKey, "")
	clean(t, "OTEL_EXPORTER_OTLP_ENDPOINT", "https://"+c.addr,
		"OTEL_EXPORTER_OTLP_CERTIFICATE", file)
	e := mustNew(t, Config{})
	if err := os.Rename(newCA, file); err != nil {
		t.Fatal(err)
	}
	s := e.Open()
	s.Emit(span(1, "a"))
	wantResult(t, s.Flush(t.Context()), 1, nil)
}

// rotate puts a new file in the place of an old one.
func rotate(t *testing.T, newFile, oldFile string) {
	t.Helper()
	if err := os.Rename(newFile, oldFile); err != nil {
		t.Fatal(err)
	}
}
