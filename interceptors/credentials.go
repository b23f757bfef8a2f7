// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"net"

	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/internal/enclosed"
	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// Credentials watches the connections that creds makes, so that the HTTP/2
// frames are seen under TLS too, and how far a handshake has come. Give the
// result to grpc.Creds. Without it a trace over TLS has no GOAWAY times and no
// stream counts, and says so.
//
// It works on connections of a [Listener], those that grpc's package xds has wrapped
// too, and passes all others on. Credentials other than TLS get the connection they
// would get without it: some look at its type (SO_PEERCRED on a *net.UnixConn).
// Package xds's get the one that carries their certificates. With a nil tracer, or
// nil creds, creds is returned as it is.
func Credentials(t *tracer.Tracer, creds credentials.TransportCredentials,
) credentials.TransportCredentials {
	if !usable(t, "Credentials") || creds == nil {
		return creds
	}
	switch creds.(type) {
	case *watchedCredentials, *watchedXDSCredentials:
		return creds
	}
	return wrapCredentials(creds)
}

func wrapCredentials(creds credentials.TransportCredentials) credentials.TransportCredentials {
	w := &watchedCredentials{creds}
	if x, ok := creds.(usesXDS); ok {
		return &watchedXDSCredentials{w, x}
	}
	return w
}

// usesXDS is what grpc's xds server looks for in its credentials.
type usesXDS interface{ UsesXDS() bool }

type watchedCredentials struct {
	credentials.TransportCredentials
}

type watchedXDSCredentials struct {
	*watchedCredentials
	usesXDS
}

// Clone implements credentials.TransportCredentials.
func (w *watchedCredentials) Clone() credentials.TransportCredentials {
	return wrapCredentials(w.TransportCredentials.Clone())
}

// ServerHandshake implements credentials.TransportCredentials.
func (w *watchedCredentials) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	raw, arg := rawOf(c), c
	if raw == nil {
		return w.TransportCredentials.ServerHandshake(c)
	}
	if !raw.enclosed && w.Info().SecurityProtocol != "tls" {
		arg = raw.Conn
		raw.rec.BareHandshake()
	}
	raw.rec.SetStage(watch.StageTLS)
	raw.inCredentials.Store(true)
	made, info, err := w.TransportCredentials.ServerHandshake(arg)
	raw.inCredentials.Store(false)
	if err != nil {
		if err == credentials.ErrConnDispatched { //nolint:errorlint // as grpc compares it
			raw.rec.Dispatched()
			raw.covered.Store(true) // the application's now, to use as it likes
		}
		return made, info, err
	}
	raw.rec.SetStage(watch.StagePreface)
	if made == nil || made == c || made == raw.Conn {
		return c, info, nil
	}
	return cover(raw, made), info, nil
}

// rawOf returns the connection that c is, or has inside; nil if it is none of ours.
func rawOf(c net.Conn) *rawConn {
	r, ok := c.(isRaw)
	if !ok {
		r, ok = enclosed.Of(c).(isRaw)
	}
	if !ok {
		return nil
	}
	return r.raw()
}
