// SPDX-License-Identifier: Apache-2.0

package tracertest_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
	"github.com/gracetrace/gracetrace/tracer/tracertest"
)

// printer stands for *testing.T.
type printer struct{ cleanups []func() }

func (*printer) Helper()            {}
func (p *printer) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

// Errorf prints what the failure says first; the timeline has times of its own.
func (*printer) Errorf(format string, args ...any) {
	line, _, _ := strings.Cut(fmt.Sprintf(format, args...), "\n")
	fmt.Fprintln(os.Stdout, "FAIL:", line)
}

func (p *printer) Fatalf(format string, args ...any) { p.Errorf(format, args...) }

func (p *printer) end() {
	for i := len(p.cleanups); i > 0; i-- {
		p.cleanups[i-1]()
	}
}

// A server that nobody holds stops within its budget.
func Example() {
	t := &printer{} // your *testing.T
	defer t.end()

	kit := tracertest.New(t)
	srv := server.New(kit.Tracer())
	healthpb.RegisterHealthServer(srv, health.NewServer())
	lis := bufconn.Listen(1 << 20) // or net.Listen
	go func() { _ = srv.Serve(lis) }()

	report := kit.Shutdown(srv,
		tracertest.Within(5*time.Second),
		tracertest.PhaseWithin(tracer.PhaseHandshakeWait, time.Second),
		tracertest.Graceful(),
	)
	fmt.Println(report.Outcome)
	// Output: graceful
}

// A client that watches the server's health holds GracefulStop for ever. The
// test says so, names it in the verdict and goes on.
func ExampleKit_Shutdown() {
	t := &printer{} // your *testing.T
	defer t.end()

	kit := tracertest.New(t)
	srv := server.New(kit.Tracer(), server.GracePeriod(100*time.Millisecond))
	healthpb.RegisterHealthServer(srv, health.NewServer())
	lis := bufconn.Listen(1 << 20)
	go func() { _ = srv.Serve(lis) }()

	conn, err := grpc.NewClient("passthrough:///health",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return lis.DialContext(ctx)
		}),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer conn.Close()
	watch, err := healthpb.NewHealthClient(conn).Watch(context.Background(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatalf("%v", err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Fatalf("%v", err)
	}

	report := kit.Shutdown(srv, tracertest.Graceful())
	fmt.Println(report.RPCsCut)
	// Output:
	// FAIL: shutdown: want it graceful, it was forced
	// map[grpc.health.v1.Health/Watch:1]
}
