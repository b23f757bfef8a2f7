// SPDX-License-Identifier: Apache-2.0

package xds_test

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

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	xdscreds "google.golang.org/grpc/credentials/xds"
	"google.golang.org/grpc/xds"

	ours "github.com/gracetrace/gracetrace/e2e/xds"
	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/otlptest"
	"github.com/gracetrace/gracetrace/internal/woven"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// The programs that the test binary can be.
const (
	envProgram = "XDS_RUN_PROGRAM"
	plain      = "plain" // nothing of ours, unless it is compiled in
	wraps      = "wraps" // server.Wrap and Run
)

// runProgram serves on a port of its own until SIGTERM, and says where.
func runProgram(kind string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, lis.Addr())
	if kind == wraps {
		return ours.Serve(ctx, lis, func(r grpc.ServiceRegistrar) {
			greeterv1.RegisterGreeterServer(r, &greeter.Server{})
		})
	}
	creds, err := xdscreds.NewServerCredentials(xdscreds.ServerOptions{
		FallbackCreds: insecure.NewCredentials(),
	})
	if err != nil {
		return err
	}
	srv, err := xds.NewGRPCServer(grpc.Creds(creds))
	if err != nil {
		return err
	}
	greeterv1.RegisterGreeterServer(srv, &greeter.Server{})
	go func() {
		<-ctx.Done()
		srv.GracefulStop()
	}()
	return srv.Serve(lis)
}

// TestProgram runs such programs, each with an RPC that outlasts its SIGTERM: secured
// by the control plane, and not.
func TestProgram(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{plain, wraps} {
		for _, mTLS := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mTLS %v", kind, mTLS), func(t *testing.T) {
				t.Parallel()
				testProgram(t, kind, mTLS)
			})
		}
	}
}

// reportsOf are the shutdowns that came.
func reportsOf(t *testing.T, text string) []*tracer.Report {
	t.Helper()
	if text == "" {
		return nil
	}
	all, err := tracer.ReadReports(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return all
}

func testProgram(t *testing.T, kind string, mTLS bool) {
	s := &scene{T: t, plane: startPlane(t), setup: setup{creds: true, mTLS: mTLS}}
	s.certify()
	got := otlptest.Start(t)
	p := start(s, kind, got.URL)
	s.addr = p.addr
	s.plane.set(t, listeners(listenerOf(t, s.addr, "first", mTLS)), routes("/"))

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := s.dial().Watch(ctx, &greeterv1.WatchRequest{Count: 2}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // the next one comes a second later, and is the last
		t.Fatal(err)
	}
	p.terminate(t)
	if _, err := stream.Recv(); err != nil {
		t.Errorf("the RPC ended with %v", err)
	}
	p.wait(t)

	reports := reportsOf(t, got.Text())
	if kind == plain && len(woven.Points()) == 0 {
		if len(reports) != 0 {
			t.Errorf("a program without gracetrace reports %v", reports[0].Verdict)
		}
		return
	}
	if len(reports) != 1 {
		t.Fatalf("%d reports, want one; the log:\n%s", len(reports), &p.log)
	}
	want(t, reports[0], tracer.PhaseConnWait, tracer.Holder{
		Kind: tracer.HolderRPC, State: "in handler", Method: "greeter.v1.Greeter/Watch",
	})
	if strings.Contains(reports[0].Verdict, "frames") || strings.Contains(p.log.String(), "WARN compiled in") {
		t.Errorf("evidence is missing: %s; the log:\n%s", reports[0].Verdict, &p.log)
	}
}

// program is such a process.
type program struct {
	cmd  *exec.Cmd
	addr net.Addr
	log  strings.Builder
}

func start(s *scene, kind, endpoint string) *program {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	s.Cleanup(cancel)
	p := &program{cmd: exec.CommandContext(ctx, os.Args[0])} //nolint:gosec // ourselves
	plugin, config := s.files()
	p.cmd.Env = append(os.Environ(), envProgram+"="+kind, "OTEL_SERVICE_NAME="+kind,
		"GRPC_XDS_BOOTSTRAP_CONFIG="+string(s.plane.bootstrap(s.T, plugin, config)),
		"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint,
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_COMPRESSION=none")
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		s.Fatalf("it says %q: %v\n%s", line, err, &p.log)
	}
	if p.addr, err = net.ResolveTCPAddr("tcp", strings.TrimSpace(line)); err != nil {
		s.Fatal(err)
	}
	return p
}

// terminate sends a real SIGTERM.
func (p *program) terminate(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// wait waits for exit code 0.
func (p *program) wait(t *testing.T) {
	t.Helper()
	if err := p.cmd.Wait(); err != nil {
		t.Fatalf("the process: %v, want exit code 0; it logged:\n%s", err, &p.log)
	}
}
