// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gracetrace/gracetrace/internal/greeter"
	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/spanjson"
	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// untilKilled is a collector that gets nothing more once the process is killed.
type untilKilled struct {
	mu     sync.Mutex // guards following
	killed bool
	spans  []sdktrace.ReadOnlySpan
}

func (u *untilKilled) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.killed {
		u.spans = append(u.spans, spans...)
	}
	return nil
}

func (*untilKilled) Shutdown(context.Context) error { return nil }

// kill returns what has been sent.
func (u *untilKilled) kill() []sdktrace.ReadOnlySpan {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.killed = true
	return u.spans
}

// killedRun is what a collector has of a server that was killed some time after its
// stop began, while an RPC held it. A silent client, if there is one, has gone by then.
func killedRun(t *testing.T, after, silent time.Duration) (spans []sdktrace.ReadOnlySpan) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &untilKilled{}
		tr, err := tracer.New(t.Context(), tracer.WithLogger(slog.New(slog.DiscardHandler)),
			tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) { return c, nil }))
		if err != nil {
			t.Fatal(err)
		}
		defer tr.Close()
		s, lis := server.New(tr), servertest.Listen()
		greeterv1.RegisterGreeterServer(s, &greeter.Server{})
		served := make(chan error, 1)
		go func() { served <- s.Serve(lis) }()
		conn, err := grpc.NewClient("passthrough:///greeter", grpc.WithContextDialer(lis.DialTarget),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			_, _ = greeterv1.NewGreeterClient(conn).SayHello(t.Context(),
				&greeterv1.SayHelloRequest{Duration: durationpb.New(time.Hour)})
		}()
		synctest.Wait()
		if silent > 0 {
			port, err := lis.Dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			time.AfterFunc(silent, func() { _ = port.Close() })
		}
		stopped := make(chan struct{})
		go func() { defer close(stopped); s.GracefulStop() }()
		<-time.After(after)
		spans = c.kill()
		_ = conn.Close()
		<-stopped
		<-served
	})
	return spans
}

// TestU39Killed: the budgets of a rollout do not add up, and the process is killed
// in the middle of its stop: exit code 137 (MeshWeaver #1971). Its trace has no
// root, and the report must say that it was killed, and who held it then.
func TestU39Killed(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "greeter")
	for _, tt := range []struct {
		name          string
		after, silent time.Duration
		want          []string
	}{
		{"in conn wait", 12 * time.Second, 0, []string{
			"rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001", "conn wait for 11.0s so far",
		}},
		{"when the one that was told of has gone", 2200 * time.Millisecond, 1300 * time.Millisecond, []string{
			"killed in conn wait after at least 1.8s: conn wait for 500ms so far: " +
				"rpc greeter.v1.Greeter/SayHello from 10.0.0.1:40001",
		}},
		{"before another is told of", 900 * time.Millisecond, 300 * time.Millisecond, []string{
			"killed after at least 300ms, after GOAWAY: handshake wait had taken 300ms: " +
				"handshake from 10.0.0.2:40002", "what held it then was not told",
		}},
		{"at once", 200 * time.Millisecond, 0, []string{"it told nothing of what held it"}},
	} {
		for format, write := range map[string]func(string, []sdktrace.ReadOnlySpan) []byte{
			"OTLP": spanjson.OTLP, "Jaeger's UI": spanjson.Jaeger, "Jaeger's API": spanjson.JaegerV3,
		} {
			path := filepath.Join(t.TempDir(), "killed.json")
			spans := killedRun(t, tt.after, tt.silent)
			if err := os.WriteFile(path, write("greeter", spans), 0o600); err != nil {
				t.Fatal(err)
			}
			got := gracetraceHere(t, "", "report", path)
			if got.code != 0 {
				t.Fatalf("%s, %s: exit code %d: %s", tt.name, format, got.code, got.stderr)
			}
			said := strings.Join(strings.Fields(got.stdout), " ")
			for _, want := range append(tt.want, "killed", "its end was never sent") {
				if !strings.Contains(said, want) {
					t.Errorf("%s, %s: the report does not say %q:\n%s", tt.name, format, want, got.stdout)
				}
			}
		}
	}
}
