// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// envExit makes the test binary be a server whose main does log.Fatal when Serve
// has returned.
const envExit = "GRACETRACE_TEST_EXIT"

// printed is an exporter that writes the names of spans to standard output, and
// takes its time.
type printed struct{}

func (printed) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	<-time.After(50 * time.Millisecond)
	for _, s := range spans {
		_, _ = fmt.Fprintln(os.Stdout, "sent:", s.Name())
	}
	return nil
}

func (printed) Shutdown(context.Context) error { return nil }

// fatal is log.Fatal.
func fatal(err error) {
	_, _ = fmt.Fprintln(os.Stderr, "fatal:", err)
	os.Exit(1) //nolint:forbidigo // as log.Fatal does
}

// exitAfterServe is the mistake: nothing waits for GracefulStop.
func exitAfterServe() {
	t, err := tracer.New(context.Background(), tracer.WithExporter(
		func(context.Context) (sdktrace.SpanExporter, error) { return printed{}, nil }))
	if err != nil {
		fatal(err)
	}
	s := server.New(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	conn, err := net.Dial("tcp", lis.Addr().String()) // accepted: it is being served
	if err != nil {
		fatal(err)
	}
	_ = conn.Close()
	go s.GracefulStop()
	fatal(<-served)
}

// TestU48Exit: log.Fatal right after Serve has returned (iotex-core #4903). All is
// out by then: Serve waits for the end of the stop and for its flush.
func TestU48Exit(t *testing.T) {
	cmd, _ := rerun(t, envExit)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Fatalf("exit code %d (%v), want log.Fatal's 1:\n%s", code, err, out)
	}
	for _, want := range []string{
		"sent: grpc.server.shutdown started\n", "sent: quit\n", "sent: listener close\n",
		"sent: handshake wait\n", "sent: GOAWAY\n", "sent: conn wait\n", "sent: handler wait\n",
		"sent: grpc.server.shutdown\n", "shutdown finished",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the process exited before %q:\n%s", want, out)
		}
	}
}
