// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/gracetrace/gracetrace/tracer"
)

// debugPath is where the debug port shows what holds a stop.
const debugPath = "/debug/shutdown"

// debugTimeout bounds a request of the debug port.
const debugTimeout = 10 * time.Second

// serveDebug serves t.Handler on a port of its own, which answers until end is
// called: a stop is what it is about. Without --debug it does nothing.
func (f *serveFlags) serveDebug(ctx context.Context, t *tracer.Tracer) (end func(), err error) {
	if f.debug.addr == "" {
		return func() {}, nil
	}
	lis, err := listen(ctx, loopback(f.debug.addr))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(debugPath, t.Handler())
	srv := &http.Server{Handler: mux, ReadTimeout: debugTimeout, WriteTimeout: debugTimeout}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(lis) // ends with Close
	}()
	t.Logger().Info("debug port", "url", "http://"+lis.Addr().String()+debugPath)
	return func() {
		_ = srv.Close() // a look that goes on is of no more use
		<-served
	}, nil
}

// loopback is addr on this machine alone, if it names no host.
func loopback(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host != "" {
		return addr
	}
	return net.JoinHostPort("localhost", port)
}
