// SPDX-License-Identifier: Apache-2.0

package jaegerd

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTimeout = 30 * time.Second // 0.1 s on an idle machine
	stopTimeout  = 20 * time.Second
	pollInterval = 20 * time.Millisecond
)

// A Server is a running Jaeger.
type Server struct {
	OTLP  string // host:port that takes OTLP over gRPC
	HTTP  string // the same over HTTP
	Query string // URL of the query API, without a path

	health string
	http   *http.Client
	output syncBuffer
	exited chan struct{} // closed when the process has ended
}

// Start runs Jaeger until the end of the test. It returns when Jaeger says that
// it is healthy.
func Start(t *testing.T) *Server {
	t.Helper()
	bin := Binary(t)
	// Between the choice of a port and Jaeger's listen another process can take
	// it, so one try is not enough.
	for try := 1; ; try++ {
		s := &Server{http: &http.Client{}, exited: make(chan struct{})}
		err := s.start(t, bin)
		if err == nil {
			return s
		}
		if try == 3 || !strings.Contains(s.output.String(), "address already in use") {
			t.Fatalf("starting jaeger: %v\n%s", err, s.output.String())
		}
	}
}

// Binary returns the path of the Jaeger binary. It skips the test unless E2E is
// set.
func Binary(t *testing.T) string {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("needs the real Jaeger: run `make e2e`, or set E2E=1")
	}
	bin := filepath.Join(Root(t), "bin", "jaeger")
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("no Jaeger to test with, tools/jaeger/build.sh builds it: %v", err)
	}
	return bin
}

// Root returns the root of the repository.
func Root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	t.Fatalf("no go.work above the test's directory (%v)", err)
	return ""
}

func (s *Server) start(t *testing.T, bin string) error {
	t.Helper()
	ports := FreePorts(t, 5)
	s.OTLP, s.HTTP = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	s.Query = "http://127.0.0.1:" + ports[2]
	s.health = "http://127.0.0.1:" + ports[4] + "/status"

	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin,
		"--config", "jaeger/config.yaml") // stop ends it, in its own way
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(),
		"JAEGER_LISTEN_HOST=127.0.0.1",
		"JAEGER_OTLP_GRPC_PORT="+ports[0],
		"JAEGER_OTLP_HTTP_PORT="+ports[1],
		"JAEGER_QUERY_HTTP_PORT="+ports[2],
		"JAEGER_QUERY_GRPC_PORT="+ports[3],
		"JAEGER_HEALTH_PORT="+ports[4],
	)
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = cmd.Wait() // how it ended is in the output
		close(s.exited)
	}()

	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.healthy(ctx); err != nil {
		s.stop(t, cmd.Process)
		return err
	}
	t.Cleanup(func() { s.stop(t, cmd.Process) })
	return nil
}

func (s *Server) healthy(ctx context.Context) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if _, err := s.get(ctx, s.health); err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.exited:
			return fmt.Errorf("it exited")
		case <-ctx.Done():
			return fmt.Errorf("not healthy in time: %w", ctx.Err())
		}
	}
}

// stop asks the process to end and waits until it has.
func (s *Server) stop(t *testing.T, p *os.Process) {
	t.Helper()
	s.http.CloseIdleConnections()
	_ = p.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		_ = p.Kill()
		<-s.exited
		t.Errorf("jaeger did not stop within %v:\n%s", stopTimeout, s.output.String())
	}
}

// FreePorts returns n ports of the loopback address that were free a moment ago.
func FreePorts(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		// Open until all are chosen, or one could be chosen twice.
		defer l.Close()
		_, ports[i], err = net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
	}
	return ports
}

// A syncBuffer takes the output of a process while a test may read it.
type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
