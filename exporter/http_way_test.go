// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// httpExporter makes the exporter of the environment, without a session.
func httpExporter(t *testing.T, change func(*settings), env ...string) *otlpHTTP {
	t.Helper()
	clean(t, env...)
	set, err := readSettings()
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&set)
	}
	o := newHTTP(set)
	t.Cleanup(func() { safeShutdown(o) })
	return o
}

// until waits for what another process's or goroutine's doing makes true.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second) // of a busy machine
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 30s", what)
		}
	}
}

// awaitFailure waits until an attempt to send has failed in such words.
func awaitFailure(t *testing.T, s *Session, words string) {
	t.Helper()
	until(t, "an attempt has failed: "+words, func() bool {
		s.q.mu.Lock()
		defer s.q.mu.Unlock()
		return strings.Contains(fmt.Sprint(s.q.whyErr), words)
	})
}

func TestConnectsBeforeThereIsSomethingToSend(t *testing.T) {
	ca, key := writeCert(t, t.TempDir(), "collector")
	for name, c := range map[string]*httpCollector{
		"plain": startHTTP(t, nil), "TLS": startHTTPS(t, nil, tlsFrom(t, ca, key, "")),
	} {
		t.Run(name, func(t *testing.T) {
			o := httpExporter(t, nil,
				httpEnv(protocolProtobuf, c.url, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", ca)...)
			o.connect()
			<-o.way.early.done
			if o.way.early.err != nil {
				t.Fatal(o.way.early.err)
			}
			if err := o.ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := o.ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if accepted, _ := c.connections(); accepted != 1 {
				t.Errorf("%d connections, want the early one alone", accepted)
			}
			safeShutdown(o)
			until(t, "no connection is left", func() bool { _, open := c.connections(); return open == 0 })
			if !o.lostAt().IsZero() {
				t.Error("a connection that we closed is said to be lost")
			}
			if s := c.last(t).TLS; s != nil && s.NegotiatedProtocol != "http/1.1" {
				t.Errorf("the server was told of %q", s.NegotiatedProtocol)
			}
		})
	}
}

func TestNoConnectionAtRest(t *testing.T) {
	c := startHTTP(t, nil)
	clean(t, httpEnv(protocolProtobuf, c.url)...)
	e := mustNew(t, Config{})
	<-e.probed
	closed := func() bool { _, open := c.connections(); return open == 0 }
	until(t, "the probe's connection is closed", closed)
	s := e.Open()
	s.Flush(t.Context())
	until(t, "the session's connection is closed", closed)
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, c.url)...)
	o.connect()
	<-o.way.early.done
	safeShutdown(o)
	until(t, "a connection that was not used is closed", closed)
}

func TestShutdownEndsWhatIsUnderWay(t *testing.T) {
	ca, _ := writeCert(t, t.TempDir(), "collector")
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, "https://"+muteAddr(t),
		"OTEL_EXPORTER_OTLP_CERTIFICATE", ca)...)
	o.connect()
	early := o.way.early
	safeShutdown(o)
	select {
	case <-early.done:
	default:
		t.Error("the handshake goes on")
	}
}

func TestALostConnectionIsNoticedAtOnce(t *testing.T) {
	c := startHTTP(t, nil)
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, c.url)...)
	if err := o.ping(t.Context()); err != nil || !o.answered() || !o.lostAt().IsZero() {
		t.Fatalf("err %v, answered %t, lost at %v", err, o.answered(), o.lostAt())
	}
	before := error(errRefused)
	o.failed.Store(&before)
	c.srv.CloseClientConnections()
	until(t, "the loss is noted", func() bool { return !o.lostAt().IsZero() })
	if err := o.ping(t.Context()); err != nil || !o.lostAt().IsZero() || o.failed.Load() != nil {
		t.Errorf("err %v, lost at %v, failed %v, want a new connection", err, o.lostAt(), o.failed.Load())
	}
}

func TestCollectorThatDiesIsSaidOverHTTP(t *testing.T) {
	c := &httpCollector{}
	c.answer = func(w http.ResponseWriter, _ *http.Request, call int) bool {
		if call < 2 {
			return false
		}
		c.srv.Listener.Close()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
		return true
	}
	startHTTP(t, c)
	clean(t, httpEnv(protocolProtobuf, c.url)...)
	s := mustNew(t, Config{}).Open()
	s.Emit(span(1, "first"))
	<-c.took
	s.Emit(span(2, "last"))
	awaitFailure(t, s, "refused")
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r := s.Flush(ctx)
	wantResult(t, r, 1, map[string]int{lostGone: 1})
	if r.GoneAt <= 0 || !strings.Contains(fmt.Sprint(r.Err), "refused") {
		t.Errorf("gone at %v, err %v", r.GoneAt, r.Err)
	}
}

func TestTLSOverHTTP(t *testing.T) {
	dir := t.TempDir()
	ca, key := writeCert(t, dir, "collector")
	client, clientKey := writeCert(t, dir, "client")
	plain := startHTTPS(t, nil, tlsFrom(t, ca, key, ""))
	mutual := startHTTPS(t, nil, tlsFrom(t, ca, key, client))
	http1 := startHTTP(t, nil)
	grpc := serveTLS(t, ca, key, "")
	const (
		certificate = "OTEL_EXPORTER_OTLP_CERTIFICATE"
		clientCert  = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"
		clientsKey  = "OTEL_EXPORTER_OTLP_CLIENT_KEY"
	)
	for _, tt := range []struct {
		name, url string
		env       []string
		want      string // of the error
	}{
		{"own authority", plain.url, []string{certificate, ca}, ""},
		{"client certificate", mutual.url, []string{certificate, ca, clientCert, client, clientsKey, clientKey}, ""},
		{"no client certificate", mutual.url, []string{certificate, ca}, "certificate required"},
		{"unknown authority", plain.url, nil, "unknown authority"},
		{"TLS to plain text", strings.Replace(http1.url, "http:", "https:", 1), nil, "write http://?"},
		{"plain text to TLS", strings.Replace(plain.url, "https:", "http:", 1), nil, "Client sent an HTTP request to an HTTPS"},
		{"TLS to gRPC", "https://" + grpc.addr, []string{certificate, ca}, "a gRPC port?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, httpEnv(protocolProtobuf, tt.url, tt.env...)...)
			e, l := probed(t)
			s := e.Open()
			s.Emit(span(1, "a"))
			r := s.Flush(t.Context())
			if tt.want == "" {
				wantResult(t, r, 1, nil)
			} else if r.Sent != 0 || !strings.Contains(fmt.Sprint(r.Err), tt.want) || l.count(tt.want) != 1 {
				t.Errorf("result %+v, want %q; log:\n%s", r, tt.want, l.String())
			}
		})
	}
}

// probed makes an exporter and waits for its probe, on a machine that has let it
// finish the handshake in time.
func probed(t *testing.T) (*Exporter, *logs) {
	t.Helper()
	for range 10 {
		l := &logs{}
		e := mustNew(t, Config{Logger: l.logger()})
		if <-e.probed; l.count(": no connection to ") == 0 {
			return e, l
		}
	}
	t.Fatal("no handshake was finished in time, of ten")
	return nil, nil
}

// The sender builds its exporter at the signal, so what was renewed since the
// start is what counts, on both sides.
func TestCertificatesAreReadAgainAtTheSignalOverHTTP(t *testing.T) {
	dir := t.TempDir()
	ca, _ := writeCert(t, dir, "collector")
	client, clientKey := writeCert(t, dir, "client")
	newCA, newKey := writeCert(t, dir, "collector2")
	newClient, newClientKey := writeCert(t, dir, "client2")
	c := startHTTPS(t, nil, tlsFrom(t, newCA, newKey, newClient))
	clean(t, httpEnv(protocolJSON, c.url, "OTEL_EXPORTER_OTLP_CERTIFICATE", ca,
		"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", client, "OTEL_EXPORTER_OTLP_CLIENT_KEY", clientKey)...)
	var l logs
	e := mustNew(t, Config{Logger: l.logger()})
	if <-e.probed; l.count("not reachable") != 1 {
		t.Errorf("log:\n%s", l.String())
	}
	rotate(t, newCA, ca)
	rotate(t, newClient, client)
	rotate(t, newClientKey, clientKey)
	s := e.Open()
	s.Emit(span(1, "a"))
	wantResult(t, s.Flush(t.Context()), 1, nil)
}

func TestWhatAnswersInAnotherProtocolIsSaid(t *testing.T) {
	grpc := startCollector(t, "", nil)
	for name, tt := range map[string]struct{ addr, want string }{
		"gRPC":  {grpc.addr, "HTTP/2 answers there, as on gRPC's port 4317; OTLP over HTTP has 4318"},
		"TLS":   {speaker(t, "\x15\x03\x01\x00\x02\x02\x46"), "write https://"},
		"other": {speaker(t, "220 mail.example.org ESMTP\r\n"), "does not speak HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, httpEnv(protocolProtobuf, "http://"+tt.addr)...)
			var l logs
			e := mustNew(t, Config{Logger: l.logger()})
			if <-e.probed; l.count("trace export refused") != 1 || l.count(tt.want) != 1 {
				t.Errorf("log:\n%s", l.String())
			}
			s := e.Open()
			s.Emit(span(1, "a"))
			r := s.Flush(t.Context())
			wantResult(t, r, 0, map[string]int{lostRefused: 1})
			if !strings.Contains(fmt.Sprint(r.Err), tt.want) {
				t.Errorf("error %v, want %q", r.Err, tt.want)
			}
		})
	}
}

// speaker says its word to everybody, at once, and listens no further.
func speaker(t *testing.T, word string) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, word)
			wg.Go(func() {
				_, _ = io.Copy(io.Discard, conn)
				conn.Close()
			})
		}
	})
	t.Cleanup(func() {
		lis.Close()
		wg.Wait()
	})
	return lis.Addr().String()
}

// What nobody has asked for would be printed by net/http, through the app's own
// package log. TLS that the transport makes, behind a proxy, has such words.
func TestUnaskedWordsDoNotReachTheTransport(t *testing.T) {
	behind := func(set *settings) { set.proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "p:1"}) }
	for _, tt := range []struct {
		endpoint string
		change   func(*settings)
		want     error
	}{
		{"http://c", nil, errUnasked},
		{"http://c", behind, errUnasked},
		{"https://c", nil, errUnasked},
		{"https://c", behind, nil},
	} {
		o := httpExporter(t, tt.change, httpEnv(protocolProtobuf, tt.endpoint)...)
		here, there := net.Pipe()
		conn, err := o.way.add(here)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = io.ReadFull(there, make([]byte, 1))
			_, _ = io.WriteString(there, "HTTP/1.1 200 OK\r\n\r\n")
		}()
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 100)); !errors.Is(err, tt.want) {
			t.Errorf("%s, proxy %t: error %v, want %v", tt.endpoint, tt.change != nil, err, tt.want)
		}
		conn.Close()
		there.Close()
	}
}

// gRPC's servers speak first, which a transport without a request cannot take.
func TestNothingIsReadBeforeTheFirstWrite(t *testing.T) {
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, "http://c")...)
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		conn, err := o.way.add(here)
		if err != nil {
			t.Fatal(err)
		}
		o.way.asked.Store(true)
		var read []byte
		go func() {
			b := make([]byte, 10)
			n, _ := conn.Read(b)
			read = b[:n]
		}()
		go func() { _, _ = io.WriteString(there, "HTTP/1.1") }()
		synctest.Wait()
		if len(read) > 0 {
			t.Errorf("read %q", read)
		}
		go func() { _, _ = conn.Write([]byte("x")) }()
		_, _ = io.ReadFull(there, make([]byte, 1))
		synctest.Wait()
		if string(read) != "HTTP/1.1" {
			t.Errorf("read %q after a write", read)
		}
		conn.Close()
		there.Close()
	})
}
