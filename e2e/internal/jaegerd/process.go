// SPDX-License-Identifier: Apache-2.0

package jaegerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gracetrace/gracetrace/internal/address"
)

const (
	startTimeout = 30 * time.Second // 0.1 s on an idle machine
	stopTimeout  = 20 * time.Second
	pollInterval = 20 * time.Millisecond
)

// A Server is a Jaeger, running or stopped.
type Server struct {
	OTLP  string // host:port that takes OTLP over gRPC
	HTTP  string // the same over HTTP
	Query string // URL of the query API, without a path

	config Config
	ports  []string
	health string
	http   *http.Client
	run    *run // nil: stopped
}

// run is one of its processes.
type run struct {
	process *os.Process
	output  syncBuffer
	exited  chan struct{} // closed when the process has ended
}

// A Config is what one Jaeger is to have.
type Config struct {
	// Files are laid over jaeger/config.yaml, one after the other; names are
	// relative to the root of the repository.
	Files []string
	Env   []string // on top of the test's own
}

// Start runs Jaeger with jaeger/config.yaml alone until the end of the test. It
// returns when Jaeger says that it is healthy.
func Start(t *testing.T) *Server {
	t.Helper()
	return Config{}.Start(t)
}

// Start is like the function, with this configuration.
func (c Config) Start(t *testing.T) *Server {
	t.Helper()
	Binary(t)
	s := &Server{config: c, http: &http.Client{}, ports: Ports(t, 5)}
	s.OTLP, s.HTTP = "127.0.0.1:"+s.ports[0], "127.0.0.1:"+s.ports[1]
	s.Query = "http://127.0.0.1:" + s.ports[2]
	s.health = "http://127.0.0.1:" + s.ports[4] + "/status"
	if output, err := s.start(t); err != nil {
		t.Fatalf("starting jaeger: %v\n%s", err, output)
	}
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Again starts it again after Stop, on the same ports.
func (s *Server) Again(t *testing.T) {
	t.Helper()
	if output, err := s.start(t); err != nil {
		t.Fatalf("starting jaeger again: %v\n%s", err, output)
	}
}

// Binary returns the path of the Jaeger binary. It skips the test unless E2E is
// set.
func Binary(t *testing.T) string {
	t.Helper()
	if os.Getenv("E2E") == "" {
		t.Skip("needs the real Jaeger: run `make e2e`, or set E2E=1")
	}
	return Tool(t, "jaeger")
}

// Tool returns the path of a tool of bin/.
func Tool(t *testing.T, name string) string {
	t.Helper()
	bin := filepath.Join(Root(t), "bin", name)
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("no %s to test with, tools/%s/build.sh builds it: %v", name, name, err)
	}
	return bin
}

// File returns the text of a file of the repository.
func File(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(Root(t), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
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

// start starts a process. With an error come its last words.
func (s *Server) start(t *testing.T) (output string, err error) {
	t.Helper()
	args := []string{"--config", "jaeger/config.yaml"}
	for _, name := range s.config.Files {
		args = append(args, "--config", name)
	}
	// Stop ends it, in its own way.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), Binary(t), args...)
	cmd.Dir = Root(t)
	cmd.Env = append(os.Environ(),
		"JAEGER_LISTEN_HOST=127.0.0.1",
		"JAEGER_OTLP_GRPC_PORT="+s.ports[0],
		"JAEGER_OTLP_HTTP_PORT="+s.ports[1],
		"JAEGER_QUERY_HTTP_PORT="+s.ports[2],
		"JAEGER_QUERY_GRPC_PORT="+s.ports[3],
		"JAEGER_HEALTH_PORT="+s.ports[4],
	)
	cmd.Env = append(cmd.Env, s.config.Env...)
	r := &run{exited: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &r.output, &r.output
	if err := cmd.Start(); err != nil {
		return "", err
	}
	r.process, s.run = cmd.Process, r
	go func() {
		_ = cmd.Wait() // how it ended is in the output
		close(r.exited)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if err := s.healthy(ctx); err != nil {
		s.Stop(t)
		return r.output.String(), err
	}
	return "", nil
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
		case <-s.run.exited:
			return errors.New("it exited")
		case <-ctx.Done():
			return fmt.Errorf("not healthy in time: %w", ctx.Err())
		}
	}
}

// Stop asks the process to end and waits until it has: a start before that would
// fail. It does nothing if it is stopped.
func (s *Server) Stop(t *testing.T) {
	t.Helper()
	s.http.CloseIdleConnections()
	r := s.run
	if r == nil {
		return
	}
	s.run = nil
	_ = r.process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-r.exited:
	case <-time.After(stopTimeout):
		_ = r.process.Kill()
		<-r.exited
		t.Errorf("jaeger did not stop within %v:\n%s", stopTimeout, r.output.String())
	}
}

// Ports returns n ports of the loopback address that are the test's until its end.
func Ports(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		var err error
		if _, ports[i], err = net.SplitHostPort(address.TCP(t)); err != nil {
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
