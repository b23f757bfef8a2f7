// SPDX-License-Identifier: Apache-2.0

package interceptors_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/watch"
	"github.com/gracetrace/gracetrace/tracer"
)

// settled does an HTTP/2 client's part of the handshake.
func settled(t *testing.T, c net.Conn) *http2.Framer {
	t.Helper()
	f := http2.NewFramer(c, c)
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	f.AllowIllegalWrites = true
	return f
}

// TestConnsLeave: whatever a client does, its connection leaves the table, or a
// server that runs for months would run out of memory.
func TestConnsLeave(t *testing.T) {
	nothing := func(*testing.T, net.Conn) {}
	frame := func(kind http2.FrameType, id uint32, payload ...byte) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			t.Helper()
			const flags = http2.FlagHeadersEndHeaders
			if err := settled(t, c).WriteRawFrame(kind, flags, id, payload); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, c) // until the server closes
		}
	}
	for _, tt := range []struct {
		name string
		do   func(*testing.T, net.Conn)
	}{
		{"nothing", nothing},
		{"half a preface", func(_ *testing.T, c net.Conn) { _, _ = io.WriteString(c, "PRI *") }},
		{"HTTP/1", func(_ *testing.T, c net.Conn) {
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
		}},
		{"a preface and nothing", func(t *testing.T, c net.Conn) { settled(t, c) }},
		{"DATA on stream 0", frame(http2.FrameData, 0, 1)},
		{"a PING of the wrong size", frame(http2.FramePing, 0, 1)},
		{"SETTINGS on a stream", frame(http2.FrameSettings, 1)},
		{"a stream id that is even", frame(http2.FrameHeaders, 2, 0x82)},
		{"headers that are not HPACK", frame(http2.FrameHeaders, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)},
		{"CONTINUATION of nothing", frame(http2.FrameContinuation, 1, 0)},
	} {
		for _, secure := range []string{"plain text", "TLS, watched", "TLS, not watched"} {
			t.Run(tt.name+", "+secure, func(t *testing.T) {
				tr := newTracer(t)
				lis := listen(t, "tcp")
				creds := credentials.NewTLS(serverTLS(t))
				var opts []grpc.ServerOption
				switch secure {
				case "TLS, watched":
					opts = append(opts, grpc.Creds(interceptors.Credentials(tr, creds)))
				case "TLS, not watched":
					opts = append(opts, grpc.Creds(creds))
				}
				srv := serve(t, tr, lis, opts...)
				c := lis.dial(t)
				if secure != "plain text" {
					c = tls.Client(c, clientTLS(t))
				}
				tt.do(t, c)
				_ = c.Close()
				<-lis.accepted
				stopAll(t, tr, srv)
			})
		}
	}
}

// TestConnLeavesBeforePreface: when grpc gives up between the credentials'
// handshake and its own it closes the connection it was given, not the one the
// credentials made.
func TestConnLeavesBeforePreface(t *testing.T) {
	tr := newTracer(t)
	lis := listen(t, "tcp")
	creds := interceptors.Credentials(tr, &fakeCredentials{
		protocol: "fake", made: func(c net.Conn) net.Conn { return unwritable{c} },
	})
	srv := serve(t, tr, lis, grpc.Creds(creds), grpc.WriteBufferSize(0))
	_, _ = io.Copy(io.Discard, lis.dial(t)) // until the server closes
	stopAll(t, tr, srv)
}

// stopAll stops and waits until every connection has left. That may be a
// moment after the stop: of two Closes at a time the second returns at once.
func stopAll(t *testing.T, tr *tracer.Tracer, srv *grpc.Server) {
	t.Helper()
	woken := make(chan struct{}, 1)
	tr.Table().Watch(func() {
		select {
		case woken <- struct{}{}:
		default:
		}
	})
	srv.GracefulStop()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		left := slices.DeleteFunc(tr.Table().Snapshot().Conns,
			func(c watch.ConnState) bool { return c.Closed != 0 && c.Gone != 0 })
		if len(left) == 0 {
			return
		}
		select {
		case <-woken:
		case <-ctx.Done():
			t.Fatalf("it is still there: %+v", left)
		}
	}
}

type unwritable struct{ net.Conn }

func (unwritable) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
