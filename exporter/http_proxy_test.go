// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"bytes"
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

// net/http waits for a proxy for a minute, whatever becomes of the request.
func TestShutdownEndsWhatAProxyHolds(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	u := &url.URL{Scheme: "http", Host: lis.Addr().String()}
	o := httpExporter(t, func(set *settings) { set.proxy = http.ProxyURL(u) },
		httpEnv(protocolProtobuf, "https://c.example", "OTEL_EXPORTER_OTLP_TIMEOUT", "20")...)
	if out := classify(o.ping(t.Context()), 1); out.fate != fateTimeout {
		t.Errorf("outcome %+v", out)
	}
	conn, err := lis.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	safeShutdown(o)
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	said, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(said), "CONNECT c.example:443") {
		t.Errorf("the proxy heard %q, then %v, want the end", said, err)
	}
}
