// SPDX-License-Identifier: Apache-2.0

package story

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/datadriven"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	"github.com/gracetrace/gracetrace/internal/servertest"
	"github.com/gracetrace/gracetrace/internal/woven"
	"github.com/gracetrace/gracetrace/server"
	"github.com/gracetrace/gracetrace/tracer"
)

// tlsBytes is how much of a whole TLS handshake was read.
var tlsBytes = regexp.MustCompile(`( |bytes_read=)[0-9]{3,}( bytes read|\n)`)

// sourceLine is a line of a file that other changes move.
var sourceLine = regexp.MustCompile(`\.go:[0-9]+`)

// Run runs every story below a folder, each in a bubble of its own.
// Where grpc-go must be instrumented, and is not, they fail: nearly all would pass.
func Run(t *testing.T, folder string) {
	if os.Getenv("REQUIRE_WOVEN") != "" && len(woven.Points()) == 0 {
		t.Fatal("REQUIRE_WOVEN is set, and grpc-go is not instrumented: see make weave")
	}
	datadriven.Walk(t, folder, func(t *testing.T, path string) {
		skip(t, path)
		synctest.Test(t, func(t *testing.T) {
			s := newStory(t)
			defer s.close()
			datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
				out, err := s.run(d)
				if err != nil {
					t.Fatalf("%s: %s: %v", d.Pos, d.Cmd, err)
				}
				synctest.Wait()
				if out == "" {
					return "ok\n"
				}
				// The stories are the same on every version of grpc-go and of
				// Go's TLS.
				out = strings.ReplaceAll(out, grpc.Version, "VERSION")
				out = tlsBytes.ReplaceAllString(out, "${1}N${2}")
				out = sourceLine.ReplaceAllString(out, ".go:N")
				return strings.TrimRight(out, "\n") + "\n"
			})
		})
	})
}

// forcesOrphan are the stories in which a handler outlives a forced stop.
var forcesOrphan = map[string]bool{
	"u07_inside.txt": true, "u07_joined.txt": true, "u23_force_orphan.txt": true,
}

// toldBetter are the stories of which an instrumented grpc tells more: package weave
// has its own of each.
var toldBetter = map[string]bool{
	"tls_bare.txt": true, "u17_bare_tls.txt": true, "unannounced.txt": true,
	"unannounced_forced.txt": true,
	"x06_stats_conn.txt":     true, "x12_gap.txt": true,
}

// skip skips the stories of other versions of grpc-go: those whose names end in
// _since or _before and a minor version.
func skip(t *testing.T, path string) {
	if len(woven.Points()) > 0 && toldBetter[filepath.Base(path)] {
		t.Skip("package weave has its own")
	}
	minor, bound := 0, 0
	if _, err := fmt.Sscanf(grpc.Version, "1.%d.", &minor); err != nil {
		return
	}
	// Up to 1.84 GracefulStop keeps the server's lock while handlers run, and a
	// Stop that waits for that mutex stops the bubble's clock.
	if minor < 85 && forcesOrphan[filepath.Base(path)] {
		t.Skipf("grpc %s: needs 1.85 to run in a bubble", grpc.Version)
	}
	name := strings.TrimSuffix(path, ".txt")
	last := name[strings.LastIndexByte(name, '_')+1:]
	if _, err := fmt.Sscanf(last, "since%d", &bound); err == nil && minor < bound {
		t.Skipf("grpc %s: what is told since 1.%d", grpc.Version, bound)
	}
	if _, err := fmt.Sscanf(last, "before%d", &bound); err == nil && minor >= bound {
		t.Skipf("grpc %s: what was told before 1.%d", grpc.Version, bound)
	}
}

type story struct {
	t         *testing.T
	tracer    *tracer.Tracer
	server    *server.Server
	listeners []*servertest.Listener
	tls       *tls.Config // of clients; nil: plain text
	health    *health.Server
	began     time.Time
	log       *logBuffer
	spans     *collector

	hooks   hooks
	calls   map[string][]*servertest.Stream // of clients that misbehave
	clients map[string]io.Closer
	order   []string
	stops   []*stopCall
	serving sync.WaitGroup
	served  []error

	mu     sync.Mutex // guards following
	report *tracer.Report
}

// stopCall is a stop that runs while the story goes on.
type stopCall struct {
	name  string
	began time.Time
	done  chan struct{}
	took  time.Duration
	err   error
}

func newStory(t *testing.T) *story {
	s := &story{
		t: t, began: time.Now(), log: &logBuffer{}, spans: &collector{},
		clients: make(map[string]io.Closer), calls: make(map[string][]*servertest.Stream),
	}
	t.Setenv("OTEL_SERVICE_NAME", "greeter")
	tr, err := tracer.New(context.Background(),
		tracer.WithLogger(slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.String("at", time.Since(s.began).String())
				}
				if a.Key == "trace_id" || a.Key == "pid" {
					return slog.String(a.Key, "-")
				}
				return a
			},
		}))),
		tracer.WithExporter(func(context.Context) (sdktrace.SpanExporter, error) {
			return s.spans, nil
		}),
		tracer.WithReport(func(r *tracer.Report) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.report = r
		}))
	if err != nil {
		t.Fatal(err)
	}
	s.tracer = tr
	return s
}

// run runs one command.
func (s *story) run(d *datadriven.TestData) (string, error) {
	args := parse(d)
	switch d.Cmd {
	case "serve":
		return s.serve(args)
	case "serve-again":
		return s.serveAgain()
	case "call":
		return s.call(args)
	case "stream":
		return s.stream(args)
	case "open":
		return "", s.open(args)
	case "connect", kindVanish:
		return s.connect(d.Cmd, args)
	case "cancel":
		return "", s.cancel(args.first)
	case "collector-gone":
		s.spans.leave()
		return "", nil
	case "hang":
		s.hooks.hang()
		return "", nil
	case "release":
		s.hooks.release()
		return "", nil
	case "close":
		return "", s.closeClient(args.first)
	case "stop", "gracefulstop", "shutdown":
		return "", s.stop(d.Cmd, args)
	case "advance":
		return "", s.advance(args)
	case "wait":
		return s.wait()
	case "report", "json", "spans", "attributes", "log":
		return s.show(d.Cmd, args)
	}
	return "", fmt.Errorf("unknown command")
}

func (s *story) advance(args arguments) error {
	d, err := time.ParseDuration(args.first)
	if err != nil {
		return err
	}
	<-time.After(d)
	return nil
}

func (s *story) stop(name string, args arguments) error {
	in, err := args.duration("in", 0)
	if err != nil {
		return err
	}
	c := &stopCall{name: name, began: time.Now(), done: make(chan struct{})}
	s.stops = append(s.stops, c)
	go func() {
		defer close(c.done)
		if args.first == "original" { // by somebody who kept the grpc server
			c.took = stopOriginal(s.server.Unwrap(), name)
			return
		}
		c.err = stopServer(s.server, name, in)
		c.took = time.Since(c.began)
	}()
	return nil
}

// stopOriginal makes one that package server does not see.
func stopOriginal(srv server.GRPC, name string) time.Duration {
	began := time.Now()
	if strings.HasPrefix(name, "graceful") {
		srv.GracefulStop()
	} else {
		srv.Stop()
	}
	return time.Since(began)
}

// stopServer makes a stop call. in is the deadline of a shutdown, if it has one.
func stopServer(srv *server.Server, name string, in time.Duration) error {
	switch name {
	case "stop":
		srv.Stop()
	case "gracefulstop":
		srv.GracefulStop()
	case "shutdown":
		ctx, cancel := context.Background(), func() {}
		if in > 0 {
			ctx, cancel = context.WithTimeout(ctx, in)
		}
		defer cancel()
		return srv.Shutdown(ctx)
	}
	return nil
}

// wait waits for every stop, and for Serve.
func (s *story) wait() (string, error) {
	var b strings.Builder
	for _, c := range s.stops {
		<-c.done
		fmt.Fprintf(&b, "%s returned after %s", c.name, c.took)
		if c.err != nil {
			fmt.Fprintf(&b, ": %v", c.err)
		}
		b.WriteByte('\n')
	}
	s.serving.Wait()
	for _, err := range s.served {
		fmt.Fprintf(&b, "Serve returned %v\n", err)
	}
	s.stops, s.served = nil, nil
	return b.String(), nil
}

// close ends what the story has left running.
func (s *story) close() {
	s.hooks.release()
	for _, name := range slices.Backward(s.order) {
		if c, ok := s.clients[name]; ok {
			_ = c.Close()
		}
	}
	if s.server != nil {
		s.server.Stop()
	}
	s.serving.Wait()
	s.tracer.Close()
}
