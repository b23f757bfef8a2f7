// SPDX-License-Identifier: Apache-2.0

package exporter

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// proxyFunc is [http.Transport]'s.
type proxyFunc func(*http.Request) (*url.URL, error)

// way leads to the collector: net/http's transport over connections of ours.
// Making them ourselves allows to connect before there is a request, to see when
// one is lost, and to leave none behind: the transport goes on to dial when the
// request that wanted it is over.
type way struct {
	set       *settings
	owner     *otlpHTTP // is told what becomes of connections
	transport *http.Transport
	first     hop         // what it dials, collector or proxy; empty: it will say what is wrong
	opaque    bool        // what the first hop says is not the collector's HTTP
	asked     atomic.Bool // a request is under way

	life  context.Context // ends with close
	end   context.CancelFunc
	mu    sync.Mutex // guards following
	early *early
}

// early is a connection that is made, or being made, for the first request.
type early struct {
	hop
	done chan struct{} // closed when the rest is set
	conn net.Conn
	err  error
}

// hop is an address that the transport dials.
type hop struct {
	addr string
	tls  bool
}

func newWay(o *otlpHTTP) *way {
	set := &o.set
	w := &way{set: set, owner: o}
	w.life, w.end = context.WithCancel(context.Background())
	w.transport = &http.Transport{
		Proxy: set.proxy,
		DialContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			return w.connection(hop{addr: addr})
		},
		DialTLSContext: func(_ context.Context, _, addr string) (net.Conn, error) {
			return w.connection(hop{addr: addr, tls: true})
		},
		TLSClientConfig:        w.tlsConfig(""), // behind a proxy
		TLSHandshakeTimeout:    connectTimeout,
		DisableCompression:     true, // of answers
		MaxResponseHeaderBytes: maxAnswer,
	}
	if set.proxy == nil && set.dial == nil {
		w.transport.Proxy = http.ProxyFromEnvironment
	}
	w.look()
	return w
}

// look finds the first hop as net/http does. Names that are not ASCII are not
// worth the trouble: their first connection is made with the first request.
func (w *way) look() {
	u := w.set.url
	if w.transport.Proxy != nil {
		proxy, err := w.transport.Proxy(&http.Request{URL: u})
		if err != nil {
			return
		}
		if proxy != nil {
			w.opaque = w.set.tls != nil || !strings.HasPrefix(proxy.Scheme, schemeHTTP)
			u = proxy
		}
	}
	w.first = hop{
		addr: net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), portOf[u.Scheme])),
		tls:  u.Scheme == schemeHTTPS,
	}
}

var portOf = map[string]string{
	schemeHTTP: "80", schemeHTTPS: "443", "socks5": "1080", "socks5h": "1080",
}

// tlsConfig is nil in plain text.
func (w *way) tlsConfig(host string) *tls.Config {
	conf := w.set.tls.Clone()
	if conf != nil && conf.ServerName == "" {
		conf.ServerName = host
	}
	return conf
}

func (w *way) roundTrip(req *http.Request) (*http.Response, error) {
	w.asked.Store(true)
	resp, err := w.transport.RoundTrip(req)
	if err == nil {
		return resp, nil
	}
	w.asked.Store(false)
	var h *httpError
	switch {
	case req.Context().Err() != nil:
		return nil, req.Context().Err()
	case errors.As(err, &h):
		return nil, h
	}
	return nil, &httpError{err: err}
}

// answered is called when a response has been read as far as it ever will be.
func (w *way) answered() { w.asked.Store(false) }

// prepare begins to connect.
func (w *way) prepare() {
	if w.first.addr == "" {
		return
	}
	e := &early{hop: w.first, done: make(chan struct{})}
	w.mu.Lock()
	w.early = e
	w.mu.Unlock()
	go func() {
		defer close(e.done)
		e.conn, e.err = w.dial(e.hop)
	}()
}

// connection is the early one if there is one, even if it has to be waited for.
// One that failed a while ago says nothing about now.
func (w *way) connection(h hop) (net.Conn, error) {
	w.mu.Lock()
	e := w.early
	w.early = nil
	w.mu.Unlock()
	if e == nil || e.hop != h {
		return w.dial(h)
	}
	select {
	case <-e.done:
		if e.err != nil {
			return w.dial(h)
		}
	default:
		<-e.done
	}
	return e.conn, e.err
}

// add wraps a connection, and closes it if nobody wants it any more.
func (w *way) add(conn net.Conn) (net.Conn, error) {
	if err := w.life.Err(); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	c := &httpConn{Conn: conn, way: w, wrote: make(chan struct{})}
	if secure, ok := conn.(*tls.Conn); ok && secure.ConnectionState().NegotiatedProtocol == "" {
		c.doubt = noHTTP1
	}
	w.owner.connected()
	w.owner.failed.Store(nil)
	return c, nil
}

// close ends the connection, a dial that the transport goes on with, and the
// early connection, for which it waits.
func (w *way) close() {
	w.end()
	w.transport.CloseIdleConnections()
	w.mu.Lock()
	e := w.early
	w.mu.Unlock()
	if e == nil {
		return
	}
	select {
	case <-e.done:
		if e.err == nil {
			_ = e.conn.Close() // nobody is left to tell
		}
	case <-time.After(shutdownLimit): // add closes it
	}
}
