// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/gracetrace/gracetrace/interceptors"
	"github.com/gracetrace/gracetrace/internal/greeter"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// heap is what is in use after everything that can go has gone.
func heap() float64 {
	for range 3 { // pools need two
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkIdleConn is the heap of a connection that does nothing, the raw
// client's end included, which is the same for both.
func BenchmarkIdleConn(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(map[bool]string{false: "TCP", true: "TLS"}[secure], func(b *testing.B) {
			for b.Loop() {
				bare, wrapped := idleConns(b, secure, nil), idleConns(b, secure, newTracer(b))
				b.ReportMetric(bare, "bare-B/conn")
				b.ReportMetric(wrapped, "wrapped-B/conn")
				b.ReportMetric(wrapped-bare, "added-B/conn")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

func idleConns(b *testing.B, secure bool, t *tracer.Tracer) float64 {
	b.Helper()
	const n = 2000
	pki := httptest.NewUnstartedServer(nil)
	pki.StartTLS()
	defer pki.Close()
	var opts []grpc.ServerOption
	if secure {
		creds := credentials.NewTLS(&tls.Config{Certificates: pki.TLS.Certificates})
		if t != nil {
			creds = interceptors.Credentials(t, creds)
		}
		opts = append(opts, grpc.Creds(creds))
	}
	srv := server.GRPC(grpc.NewServer(opts...))
	if t != nil {
		srv = server.New(t, opts...)
	}
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	address := serveOn(b, srv)
	conns := make([]net.Conn, n+1)
	open := func(i int) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		if secure {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
		}
		// Preface, SETTINGS and a PING, whose answer says that the server has
		// taken the connection and reads on.
		_, _ = io.WriteString(c, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+settings+
			"\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678")
		buf := make([]byte, 9+6+9+9+8)
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		conns[i] = c
	}
	open(n) // whatever the first one brings along
	before := heap()
	for i := range n {
		open(i)
	}
	used := (heap() - before) / n
	for _, c := range conns {
		_ = c.Close()
	}
	srv.Stop()
	return used
}

// BenchmarkTracer is what a Tracer takes at rest, its probe of a collector that
// does not answer over.
func BenchmarkTracer(b *testing.B) {
	const n = 20
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	for b.Loop() {
		ts := make([]*tracer.Tracer, n)
		goroutines, before := runtime.NumGoroutine(), heap()
		took := timed(func() {
			for i := range ts {
				t, err := tracer.New(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				ts[i] = t
			}
		})
		for _, t := range ts {
			t.Close() // waits for the probe
		}
		b.ReportMetric((heap()-before)/n, "B/tracer")
		b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/n, "goroutines/tracer")
		b.ReportMetric(float64(took/time.Microsecond)/n, "µs/New")
		b.ReportMetric(0, "ns/op")
		runtime.KeepAlive(ts)
	}
}
