// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"
)

// settings are the checked OTEL_EXPORTER_OTLP_* variables and the files they
// name, read at one moment.
type settings struct {
	protocol protocol
	target   string   // of gRPC
	url      *url.URL // of HTTP, with user and password
	endpoint string
	tls      *tls.Config // nil: plain text
	headers  map[string]string
	gzip     bool
	timeout  time.Duration // of one call; 0: none
	dial     dialer        // nil: the network's
	proxy    proxyFunc     // of HTTP, for tests; nil: net/http's

	warnings []string
}

// readSettings reads and checks all of them; the error joins every complaint.
func readSettings() (settings, error) {
	var set settings
	var errProtocol, errHeaders error
	set.protocol, errProtocol = readProtocol()
	ep, errEndpoint := readEndpoint(set.protocol)
	tlsConf, errTLS := readTLS()
	set.headers, errHeaders = readHeaders(set.protocol)
	errs := errors.Join(errEndpoint, errTLS, errHeaders, errProtocol,
		eachSignal("COMPRESSION", checkCompression), eachSignal("TIMEOUT", checkTimeout))
	if errs != nil {
		return settings{}, errs
	}
	set.target, set.url, set.endpoint = ep.target, ep.url, ep.shown
	if set.protocol.http() {
		set.tls = set.secureHTTP(ep, tlsConf)
		set.doubtHTTP(ep)
	} else {
		set.tls = set.security(ep, tlsConf)
		set.doubtGRPC(ep)
	}
	_, compression := signal("COMPRESSION")
	set.gzip = compression == "gzip"
	_, timeout := signal("TIMEOUT")
	set.timeout = timeoutOf(timeout)
	return set, nil
}

func readEndpoint(proto protocol) (endpoint, error) {
	parse, byDefault := parseEndpoint, defaultEndpoint
	if proto.http() {
		parse, byDefault = parseHTTPEndpoint, defaultHTTPEndpoint
	}
	err := eachSignal("ENDPOINT", func(name, v string) error {
		_, err := parse(name, v)
		return err
	})
	if err != nil {
		return endpoint{}, err
	}
	name, v := signal("ENDPOINT")
	if v == "" {
		v = byDefault
	}
	return parse(name, v)
}

func readHeaders(proto protocol) (map[string]string, error) {
	var headers map[string]string
	err := eachSignal("HEADERS", func(name, v string) (err error) {
		headers, err = parseHeaders(name, v) // TRACES_ comes second and replaces all.
		if err == nil && proto.http() {
			err = checkHTTPHeaders(name, headers)
		}
		return err
	})
	return headers, err
}

// security decides between TLS and plain text. A scheme of http or https takes
// precedence over INSECURE. (OpenTelemetry specification, OTLP Exporter
// Configuration.) otlptracegrpc does it the other way round, and would send the
// tokens for an https endpoint in plain text. A certificate means TLS, as there,
// though the specification would have the http of an endpoint count. All
// contradictions are said.
func (set *settings) security(ep endpoint, conf *tls.Config) *tls.Config {
	plain := ep.plain
	_, where := signal("ENDPOINT")
	name, insecure := signal("INSECURE")
	if insecure != "" {
		said := isTrue(name, insecure, nil)
		switch {
		case where == "", !hasScheme(where):
			plain = said
		case said != plain:
			set.note(name + "=" + insecure + " does not count, the scheme of " + ep.shown + " does")
		}
	}
	if where != "" && insecure == "" && conf == nil && !plain && !hasScheme(where) {
		set.note(ep.shown + " has neither http:// nor https://, so it is TLS; for plain text write " +
			"http://, or set " + prefixAll + "INSECURE=true")
	}
	if ep.noPort && plain {
		set.note(ep.shown + " has no port, gRPC uses 443")
	}
	if conf == nil && plain {
		return nil
	}
	if conf == nil {
		return &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if plain && where != "" {
		set.note("a certificate is set: TLS, although " + ep.shown + " says plain text")
	}
	return conf
}

// hasScheme reports whether an endpoint says by its scheme if it is secure.
func hasScheme(where string) bool {
	scheme, _, _ := strings.Cut(where, "://")
	return strings.EqualFold(scheme, schemeHTTP) || strings.EqualFold(scheme, schemeHTTPS)
}

func (set *settings) note(s string) { set.warnings = append(set.warnings, s) }

func (set *settings) warn(log *slog.Logger) {
	name, v := signal("INSECURE")
	isTrue(name, v, log)
	for _, w := range set.warnings {
		log.Warn("trace export settings", "detail", w)
	}
}

// readTLS returns nil when no certificate is set. Of each variable the one for
// traces wins.
func readTLS() (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	err := eachSignal("CERTIFICATE", func(name, v string) error {
		pem, err := os.ReadFile(v)
		if err != nil {
			return bad(name, v, "%s", reason(err))
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return bad(name, v, "no certificate in PEM form in it")
		}
		conf.RootCAs = pool
		return nil
	})
	cert, errClient := readClientCert()
	if err := errors.Join(err, errClient); err != nil {
		return nil, err
	}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	if conf.RootCAs == nil && conf.Certificates == nil {
		return nil, nil
	}
	return conf, nil
}

func readClientCert() (*tls.Certificate, error) {
	certName, certFile := signal("CLIENT_CERTIFICATE")
	keyName, keyFile := signal("CLIENT_KEY")
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case certFile == "":
		return nil, bad(keyName, keyFile, "a key without a certificate, set %s", certName)
	case keyFile == "":
		return nil, bad(certName, certFile, "a certificate without a key, set %s", keyName)
	}
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, bad(certName, certFile, "%s", reason(err))
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, bad(keyName, keyFile, "%s", reason(err))
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, bad(certName, certFile, "with %s=%q: %v", keyName, keyFile, err)
	}
	return &pair, nil
}

// reason is the error without the path, which the message has already.
func reason(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
