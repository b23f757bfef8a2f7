// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
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
	deadline := time.After(5 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within 5s", what)
		}
	}
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
}

func TestShutdownEndsWhatIsUnderWay(t *testing.T) {
	ca, _ := writeCert(t, t.TempDir(), "collector")
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, "https://"+muteAddr(t),
		"OTEL_EXPORTER_OTLP_CERTIFICATE", ca)...)
	o.connect()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if out := classify(o.ping(ctx), 1); out.fate != fateTimeout {
		t.Errorf("outcome %+v", out)
	}
	start := time.Now()
	safeShutdown(o) // goleak looks for the handshake's goroutine
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("Shutdown took %v", took)
	}
}

func TestALostConnectionIsNoticedAtOnce(t *testing.T) {
	c := startHTTP(t, nil)
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, c.url)...)
	if err := o.ping(t.Context()); err != nil || !o.answered() || !o.lostAt().IsZero() {
		t.Fatalf("err %v, answered %t, lost at %v", err, o.answered(), o.lostAt())
	}
	c.srv.CloseClientConnections()
	until(t, "the loss is noted", func() bool { return !o.lostAt().IsZero() })
	if err := o.ping(t.Context()); err != nil || !o.lostAt().IsZero() {
		t.Errorf("err %v, lost at %v, want a new connection", err, o.lostAt())
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
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
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
			var l logs
			e := mustNew(t, Config{Logger: l.logger()})
			<-e.probed
			s := e.Open()
			s.Emit(span(1, "a"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r := s.Flush(ctx)
			if tt.want == "" {
				wantResult(t, r, 1, nil)
			} else if r.Sent != 0 || !strings.Contains(fmt.Sprint(r.Err), tt.want) || l.count(tt.want) != 1 {
				t.Errorf("result %+v, want %q; log:\n%s", r, tt.want, l.String())
			}
		})
	}
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
// package log.
func TestUnaskedWordsDoNotReachTheTransport(t *testing.T) {
	c := startHTTP(t, nil)
	o := httpExporter(t, nil, httpEnv(protocolProtobuf, c.url)...)
	here, there := net.Pipe()
	conn, err := o.way.add(here)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan error, 1)
	go func() {
		_, err := conn.Read(make([]byte, 10))
		got <- err
	}()
	go func() {
		_, _ = io.ReadFull(there, make([]byte, 1))
		_, _ = io.WriteString(there, "HTTP/1.1 200 OK\r\n\r\n")
	}()
	if _, err := conn.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-got; !errors.Is(err, errUnasked) {
		t.Errorf("error %v", err)
	}
	conn.Close()
	there.Close()
}

// proxy takes what it gets to where it is asked to, and notes the requests.
type proxy struct {
	*httptest.Server
	mu  sync.Mutex
	got []string
}

func startProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var head bytes.Buffer
	_ = r.Header.Write(&head)
	p.mu.Lock()
	p.got = append(p.got, r.Method+" "+r.RequestURI+"\n"+head.String())
	p.mu.Unlock()
	if r.Method != http.MethodConnect {
		r.RequestURI = ""
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
		return
	}
	to, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer to.Close()
	from, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer from.Close()
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connected\r\n\r\n")
	go func() { _, _ = io.Copy(to, buffered); to.Close() }()
	_, _ = io.Copy(from, to)
}

func TestProxies(t *testing.T) {
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	ca, key := writeCert(t, t.TempDir(), "collector")
	for name, tt := range map[string]struct {
		c    *httpCollector
		want string
	}{
		"plain text": {startHTTP(t, nil), "POST http://"},
		"TLS":        {startHTTPS(t, nil, tlsFrom(t, ca, key, "")), "CONNECT 127"},
	} {
		t.Run(name, func(t *testing.T) {
			p := startProxy(t)
			u, _ := url.Parse(strings.Replace(p.URL, "//", "//me:pass@", 1))
			o := httpExporter(t, func(set *settings) { set.proxy = http.ProxyURL(u) },
				httpEnv(protocolProtobuf, tt.c.url, "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", ca,
					"OTEL_EXPORTER_OTLP_HEADERS", "x-token=t0ken")...)
			o.connect()
			for range 2 {
				if err := o.ping(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if tt.c.empty != 2 || tt.c.last(t).Header.Get("X-Token") != "t0ken" {
				t.Errorf("%d requests arrived", tt.c.empty)
			}
			seen := p.got[0]
			if !strings.HasPrefix(seen, tt.want) ||
				!strings.Contains(seen, "Proxy-Authorization: Basic bWU6cGFzcw==") {
				t.Errorf("the proxy saw %q, want %q", seen, tt.want)
			}
			if name == "TLS" && (len(p.got) != 1 || strings.Contains(seen, "t0ken")) {
				t.Errorf("the proxy saw %q", p.got)
			}
			if tt.c.last(t).Header.Get("Proxy-Authorization") != "" && name == "TLS" {
				t.Error("the collector saw the proxy's password")
			}
			safeShutdown(o)
		})
	}
}

func TestAProxyThatRefuses(t *testing.T) {
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	defer p.Close()
	u, _ := url.Parse(p.URL)
	for _, endpoint := range []string{"http://c.example:1", "https://c.example:1"} {
		o := httpExporter(t, func(set *settings) { set.proxy = http.ProxyURL(u) },
			httpEnv(protocolProtobuf, endpoint)...)
		err := o.ping(t.Context())
		if err == nil || !strings.Contains(err.Error(), "Proxy Authentication Required") {
			t.Errorf("%s: error %v", endpoint, err)
		}
	}
}
