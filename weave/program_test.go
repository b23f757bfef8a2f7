// SPDX-License-Identifier: Apache-2.0

package weave

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/selfsigned"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// The programs that a test binary can be.
const (
	plain  = "plain"  // grpc.NewServer and GracefulStop, nothing of ours
	secure = "secure" // the same over TLS
	hasty  = "hasty"  // the same, with a Stop after 300 ms
	ours   = "ours"   // server.New and Run
	wraps  = "wraps"  // grpc.NewServer, server.Wrap and Run
	hides  = "hides"  // the same, of another type with grpc's server inside, as xds has
)

// runProgram serves until SIGTERM and says where.
func runProgram(kind string) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	if kind == ours || kind == wraps || kind == hides {
		t, err := tracer.New(ctx)
		check(err)
		srv := server.New(t)
		if kind == wraps {
			srv = server.Wrap(grpc.NewServer(), t)
		}
		if kind == hides {
			srv = server.Wrap(&hiding{grpc.NewServer()}, t)
		}
		greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
		fmt.Fprintln(os.Stdout, lis.Addr())
		check(srv.Run(ctx, lis))
		return
	}
	var opts []grpc.ServerOption
	if kind == secure {
		cfg, _, err := selfsigned.Config()
		check(err)
		opts = append(opts, grpc.Creds(credentials.NewTLS(cfg)))
	}
	srv := grpc.NewServer(opts...)
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	go func() {
		<-ctx.Done()
		if kind == hasty {
			time.AfterFunc(300*time.Millisecond, srv.Stop)
		}
		srv.GracefulStop()
	}()
	fmt.Fprintln(os.Stdout, lis.Addr())
	check(srv.Serve(lis)) // the process ends with it
}

// hiding is a server of another type.
type hiding struct{ gs *grpc.Server }

func (h *hiding) RegisterService(sd *grpc.ServiceDesc, impl any) { h.gs.RegisterService(sd, impl) }
func (h *hiding) GetServiceInfo() map[string]grpc.ServiceInfo    { return h.gs.GetServiceInfo() }
func (h *hiding) Serve(lis net.Listener) error                   { return h.gs.Serve(hiddenListener{lis}) }
func (h *hiding) GracefulStop()                                  { h.gs.GracefulStop() }
func (h *hiding) Stop()                                          { h.gs.Stop() }

// hiddenListener is nothing that we would know.
type hiddenListener struct{ net.Listener }

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // a main of its own
	}
}

// program is such a process.
type program struct {
	cmd  *exec.Cmd
	addr string
	log  strings.Builder
}

func start(t *testing.T, kind, endpoint string) *program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	p := &program{cmd: exec.CommandContext(ctx, os.Args[0])} //nolint:gosec // ourselves
	p.cmd.Env = append(os.Environ(), envProgram+"="+kind, "OTEL_SERVICE_NAME="+kind,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
		"OTEL_EXPORTER_OTLP_COMPRESSION=none")
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("it says %q: %v\n%s", line, err, &p.log)
	}
	p.addr = strings.TrimSpace(line)
	return p
}

// hold makes an RPC that lasts, and returns when its handler is sure to run.
func (p *program) hold(t *testing.T, kind string) {
	t.Helper()
	creds := insecure.NewCredentials()
	if kind == secure {
		creds = credentials.NewTLS(anyCertificate())
	}
	conn, err := grpc.NewClient(p.addr, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	stream, err := greeterv1.NewGreeterClient(conn).Watch(ctx, &greeterv1.WatchRequest{Count: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // the next one comes a second later, and is the last
		t.Fatal(err)
	}
}

// terminate sends a real SIGTERM and waits for exit code 0.
func (p *program) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("the process: %v, want exit code 0; it logged:\n%s", err, &p.log)
	}
}
