// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
)

// httpUnit is an HTTP server.
type httpUnit struct {
	srv     *http.Server
	conns   *httpConns
	accepts func(n int)
	left    atomic.Int64  // listeners that are served
	served  chan struct{} // closed when there is none any more

	mu       sync.Mutex // guards following
	closeErr error      // of the listeners
}

func newHTTPUnit(srv *http.Server) *httpUnit {
	return &httpUnit{srv: srv, conns: newHTTPConns(), served: make(chan struct{})}
}

// install implements serverUnit. net/http's hooks must be set before Serve.
func (u *httpUnit) install(listeners int, accepts func(n int)) {
	u.accepts = accepts
	u.left.Store(int64(listeners))
	users := u.srv.ConnState
	u.srv.ConnState = func(c net.Conn, s http.ConnState) {
		if users != nil {
			users(c, s) // first: after the last of ours the server has stopped
		}
		u.conns.state(c, s)
	}
	if base := u.srv.BaseContext; base != nil {
		u.srv.BaseContext = func(lis net.Listener) context.Context {
			if l, ok := lis.(*httpListener); ok {
				lis = l.Listener // the one that the application knows
			}
			return base(lis)
		}
	}
}

// httpListener says when it is accepted from for the first time, and how its Close
// went.
type httpListener struct {
	net.Listener
	once sync.Once
	unit *httpUnit
}

// Accept implements net.Listener.
func (l *httpListener) Accept() (net.Conn, error) {
	l.once.Do(func() { l.unit.accepts(1) })
	return l.Listener.Accept()
}

// Close implements net.Listener.
func (l *httpListener) Close() error {
	err := l.Listener.Close()
	l.unit.mu.Lock()
	defer l.unit.mu.Unlock()
	l.unit.closeErr = errors.Join(l.unit.closeErr, err)
	return err
}

func (u *httpUnit) serve(lis net.Listener, bound bool) error {
	defer func() {
		if u.left.Add(-1) == 0 {
			close(u.served)
		}
	}()
	l := &httpListener{Listener: lis, unit: u}
	err := recovered(func() error {
		if bound && u.hasCertificate() {
			return u.srv.ServeTLS(l, "", "")
		}
		return u.srv.Serve(l)
	})
	if err == nil || errors.Is(err, http.ErrServerClosed) {
		return errOutside
	}
	return err
}

// hasCertificate reports what ServeTLS asks for where it is given no files.
func (u *httpUnit) hasCertificate() bool {
	c := u.srv.TLSConfig
	return c != nil && (len(c.Certificates) > 0 || c.GetCertificate != nil || c.GetConfigForClient != nil)
}
