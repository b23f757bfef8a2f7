// SPDX-License-Identifier: Apache-2.0

package interceptors

import (
	"log/slog"
	"math"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/gracetrace/gracetrace/internal/option"
	"github.com/gracetrace/gracetrace/tracer"
)

// usable reports whether t can be used, and says so when it can't.
func usable(t *tracer.Tracer, where string) bool {
	if t == nil {
		// There is no tracer whose logger it could be.
		slog.Warn("nil *tracer.Tracer, nothing is watched", //nolint:forbidigo,sloglint // see above
			"func", "interceptors."+where)
	}
	return t != nil
}

// sensorOption is one of our interceptors. server.New installs its own and
// drops the ones it is given.
type sensorOption struct {
	grpc.ServerOption
	t *tracer.Tracer
}

// Tracer says whose it is: package weave installs no sensors beside it.
func (o sensorOption) Tracer() *tracer.Tracer { return o.t }

// keepaliveOption carries grpc's opaque option together with what we must know
// of it.
type keepaliveOption struct {
	grpc.ServerOption
	userTimeout time.Duration
}

// ServerOptions returns the interceptors that watch a server's RPCs. They
// compose with the application's own: they are chained, in the place where
// they stand. Alone they see RPCs only: no connection, no handshake, no GOAWAY;
// the report says so. With a nil tracer there are none.
//
// They cannot see a unary RPC before its message is decoded, nor one that an
// interceptor outside of them holds; server.New and server.Wrap can. They are
// for one server: another takes a Tracer of its own, or server.New.
func ServerOptions(t *tracer.Tracer) []grpc.ServerOption {
	if !usable(t, "ServerOptions") {
		return nil
	}
	s := newSensor(t)
	t.Table().Intercepted.Store(true)
	return []grpc.ServerOption{
		sensorOption{grpc.ChainUnaryInterceptor(s.unary), t},
		sensorOption{grpc.ChainStreamInterceptor(s.stream), t},
	}
}

// KeepaliveParams is grpc.KeepaliveParams for a server whose connections are
// watched: TCP_USER_TIMEOUT is set to kp.Timeout on them. grpc sets it only on
// a connection whose type it knows, and with grpc.KeepaliveParams itself the
// value can't be read: then it is grpc's default, 20 s.
func KeepaliveParams(t *tracer.Tracer, kp keepalive.ServerParameters) grpc.ServerOption {
	o := keepaliveOption{grpc.KeepaliveParams(kp), userTimeout(kp)}
	// A server that server.New has made has its own value by now: this one is
	// for another server of the same Tracer.
	if usable(t, "KeepaliveParams") && !methodsOf(t.Table()).installed.Load() {
		o.install(t)
	}
	return o
}

// userTimeout is what grpc makes of kp: transport.NewServerTransport.
func userTimeout(kp keepalive.ServerParameters) time.Duration {
	switch {
	case kp.Time == math.MaxInt64: // keepalive is off
		return 0
	case kp.Timeout == 0:
		return 20 * time.Second
	}
	return kp.Timeout
}

func (o keepaliveOption) install(t *tracer.Tracer) {
	t.Table().UserTimeout.Store(int64(o.userTimeout))
}

// Install returns opts with the stream interceptor in front and without what
// [ServerOptions] returned: it is what server.New gives to grpc.NewServer.
// Unary RPCs are watched by their descriptors: see [Describe].
func Install(t *tracer.Tracer, opts []grpc.ServerOption) []grpc.ServerOption {
	s := newSensor(t)
	s.methods.installed.Store(true)
	t.Table().Intercepted.Store(false) // ServerOptions are left out
	out := []grpc.ServerOption{sensorOption{grpc.ChainStreamInterceptor(s.stream), t}}
	for _, o := range opts {
		switch o := o.(type) {
		case sensorOption:
			continue
		case keepaliveOption:
			o.install(t)
		case option.Keepalive:
			keepaliveOption{userTimeout: userTimeout(o.Params)}.install(t)
		}
		out = append(out, o)
	}
	return out
}
