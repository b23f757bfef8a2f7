// SPDX-License-Identifier: Apache-2.0

//go:build linux || darwin

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	greeterv1 "github.com/gracetrace/gracetrace/proto/greeter/v1"
	"github.com/gracetrace/gracetrace/tracer"
)

// Of the processes that are stopped. Their drain is cut at 8 s, which leaves the
// flush all that it may ever take, 2 s.
const (
	stoppingGrace = 10 * time.Second
	stoppingDrain = 8 * time.Second
)

// logged is a record of a process's log.
type logged map[string]any

func (l logged) text(key string) string {
	if l[key] == nil {
		return ""
	}
	return fmt.Sprint(l[key])
}

func (l logged) number(key string) float64 {
	n, _ := l[key].(float64)
	return n
}

// stopping is a process that is told to stop.
type stopping struct {
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	took    time.Duration // until it had ended
	ended   chan struct{} // closed then
	serving chan string   // gets the address
	probed  chan struct{} // closed when it has said what became of its probe

	mu     sync.Mutex // guards following
	told   time.Time  // when it got SIGTERM
	stdout strings.Builder
	log    []logged
}

// stoppable starts the server in a process of its own, which is told nothing by
// the environment but env. with, if any, makes more of the command.
func stoppable(t *testing.T, env []string, with func(*exec.Cmd)) *stopping {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &stopping{
		cmd:   exec.CommandContext(t.Context(), self),
		ended: make(chan struct{}), serving: make(chan string, 1), probed: make(chan struct{}),
	}
	s.cmd.Env = append([]string{
		envStopping + "=1", "OTEL_SERVICE_NAME=greeter",
		"GRACETRACE_GRACE_PERIOD=" + stoppingGrace.String(),
		"GORACE=atexit_sleep_ms=0", // the race detector's, where the exit code is 0
	}, env...)
	s.cmd.Stderr = &s.stderr
	if with != nil {
		with(s.cmd)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.read(stdout)
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
	})
	return s
}

// read is the goroutine that reads the log to its end.
func (s *stopping) read(stdout io.Reader) {
	defer close(s.ended)
	probed := sync.OnceFunc(func() { close(s.probed) })
	defer probed()
	defer close(s.serving)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20) // a report
	for lines.Scan() {
		l := make(logged)
		_ = json.Unmarshal(lines.Bytes(), &l) // what is no record is output all the same
		s.mu.Lock()
		s.stdout.Write(lines.Bytes())
		s.stdout.WriteByte('\n')
		s.log = append(s.log, l)
		s.mu.Unlock()
		switch l.text("msg") {
		case "serving":
			s.serving <- strings.Trim(l.text("addresses"), "[]")
		case "trace export ready", "trace export refused", "trace export not reachable":
			probed()
		}
	}
	_ = s.cmd.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.took = time.Since(s.told)
}

// output is what it has written to stdout by now.
func (s *stopping) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stdout.String()
}

// records are those of a message.
func (s *stopping) records(msg string) (all []logged) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.log {
		if l.text("msg") == msg {
			all = append(all, l)
		}
	}
	return all
}

// terminate sends SIGTERM.
func (s *stopping) terminate(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	s.told = time.Now()
	s.mu.Unlock()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
}

// report is what the process hands out at its end.
func (s *stopping) report(t *testing.T) *tracer.Report {
	t.Helper()
	all := s.records(msgReport)
	if len(all) != 1 {
		t.Fatalf("%d reports:\n%s\n%s", len(all), s.output(), s.stderr.String())
	}
	b, err := json.Marshal(all[0]["report"])
	if err != nil {
		t.Fatal(err)
	}
	r := new(tracer.Report)
	if err := json.Unmarshal(b, r); err != nil {
		t.Fatal(err)
	}
	return r
}

// crowd is clients of a server: idle connections, one call that ends in the drain,
// and streams that outlive it.
type crowd struct {
	conns   int // with streams
	streams int // on each
}

var (
	few  = crowd{conns: 1, streams: 1}
	many = crowd{conns: 10, streams: 15}
)

// drive starts the clients and returns when the server has them all, with what
// makes them leave.
func (l crowd) drive(t *testing.T, addr string) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	t.Cleanup(func() { cancel(); calls.Wait() })
	for i := range l.conns + 3 {
		conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		client := greeterv1.NewGreeterClient(conn)
		if i == 0 { // of two seconds
			calls.Go(func() {
				short := durationpb.New(2 * time.Second)
				_, _ = client.SayHello(ctx, &greeterv1.SayHelloRequest{Duration: short})
			})
		}
		_, err = client.SayHello(ctx, &greeterv1.SayHelloRequest{})
		for range l.streams {
			if i >= 3 && err == nil {
				err = chat(ctx, client)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return cancel
}

// chat opens a stream whose handler is in Recv when it returns.
func chat(ctx context.Context, client greeterv1.GreeterClient) error {
	stream, err := client.Chat(ctx)
	if err != nil {
		return err
	}
	err = stream.Send(&greeterv1.ChatRequest{Text: "hello"})
	_, recvErr := stream.Recv()
	return errors.Join(err, recvErr)
}
