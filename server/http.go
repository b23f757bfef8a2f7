// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/gracetrace/gracetrace/internal/watch"
)

// ServeHTTP serves one RPC that an http.Server has received, as *grpc.Server's
// ServeHTTP does: over HTTP/2, be it TLS or h2c, on a port that may be shared with
// other handlers. It is safe for concurrent use.
//
// The stop calls refuse new RPCs with the status UNAVAILABLE and tell their
// connections to go. They wait for those in flight before grpc is stopped, since
// its GracefulStop would cut them (since grpc-go 1.82; until then it panics).
// Shutdown cuts at its deadline what has not ended, and where listeners are served,
// too, after half of its drain: until then their clients get no GOAWAY. A client
// whose RPC was cut gets UNAVAILABLE.
//
// Stop this server first, then the http.Server: its Shutdown lets the last
// answers out, but does not wait for RPCs on connections that a handler has
// hijacked, as golang.org/x/net/http2/h2c does.
//
// A server whose options are bad answers 500, one of [Wrap] without a ServeHTTP
// of its own 501.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, ok := s.grpc.(http.Handler)
	switch {
	case s.broken != nil:
		http.Error(w, s.broken.Error(), http.StatusInternalServerError)
		return
	case !ok:
		http.Error(w, fmt.Sprintf("server: %T has no ServeHTTP", s.grpc), http.StatusNotImplemented)
		return
	}
	ctx, cancel := context.WithCancel(watch.WithHTTP(r.Context()))
	defer cancel()
	rpc := &httpRPC{cancel: cancel}
	if !s.http.add(rpc) {
		refuse(w, r)
		return
	}
	defer func() {
		if s.http.remove(rpc) {
			tellCut(w.Header())
		}
	}()
	h.ServeHTTP(w, r.WithContext(ctx))
}

// httpRPCs are the RPCs that came through ServeHTTP, until it returns. The zero
// value is ready.
type httpRPCs struct {
	mu      sync.Mutex // guards following
	open    map[*httpRPC]struct{}
	refuses bool
	idle    chan struct{} // closed when new ones are refused and none is open
}

// httpRPC is one of them. It is guarded by httpRPCs.mu.
type httpRPC struct {
	cancel context.CancelFunc // makes grpc's ServeHTTP return
	cut    bool
}

// add reports whether the RPC may be served.
func (h *httpRPCs) add(r *httpRPC) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuses {
		return false
	}
	if h.open == nil {
		h.open = make(map[*httpRPC]struct{})
	}
	h.open[r] = struct{}{}
	return true
}

// remove reports whether the RPC was cut.
func (h *httpRPCs) remove(r *httpRPC) (cut bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, r)
	if h.refuses && len(h.open) == 0 {
		close(h.idle)
	}
	return r.cut
}

// refuse lets no more in. idle is closed when the last one is out.
func (h *httpRPCs) refuse() (idle <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.refuses {
		h.refuses, h.idle = true, make(chan struct{})
		if len(h.open) == 0 {
			close(h.idle)
		}
	}
	return h.idle
}

// cut ends those that are open. It does not wait for them.
func (h *httpRPCs) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.open {
		r.cut = true
		r.cancel()
	}
}

// What clients are told, in the words of gRPC over HTTP/2.
const (
	grpcStatus  = "Grpc-Status"
	grpcMessage = "Grpc-Message"
	grpcContent = "application/grpc"

	canceled    = "1" // codes.Canceled
	unavailable = "14"

	draining = "the server is shutting down"
	stopped  = "the server was stopped"
)

// refuse answers with a status alone, which gRPC calls Trailers-Only, and has
// net/http send a GOAWAY: a client that stayed on the connection would be refused
// for as long as the drain lasts.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor < 2 || !strings.HasPrefix(r.Header.Get("Content-Type"), grpcContent) {
		http.Error(w, draining, http.StatusServiceUnavailable)
		return
	}
	h := w.Header()
	h.Set("Connection", "close")
	setStatus(h, draining)
	w.WriteHeader(http.StatusOK)
}

// tellCut completes the answer of an RPC that was cut. grpc has sent none, or the
// handler was quick to return the error of its context, which the client has not
// cancelled.
func tellCut(h http.Header) {
	switch h.Get(grpcStatus) {
	case "", canceled:
		setStatus(h, stopped)
	}
}

func setStatus(h http.Header, message string) {
	if h["Trailer"] == nil { // grpc has sent no headers: these are all there is
		h.Set("Content-Type", grpcContent)
	}
	h.Set(grpcStatus, unavailable)
	h.Set(grpcMessage, message)
}
